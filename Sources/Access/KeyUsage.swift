package import EventCore
import Synchronization

/// Which keys are used, and by whom those that another has taken the place of: kept in memory, told to the database now and then,
/// so that no request costs a write.
package final class KeyUsage: Sendable {
    /// One sender's use of one superseded key since the last telling.
    package struct SenderUse: Sendable, Equatable {
        package let key: KeyID
        /// The machine that its record names, else its address; `""`: one of those beyond the bound.
        package let sender: String
        package internal(set) var count: Int
        package internal(set) var lastSeen: Timestamp
    }

    /// What is told.
    package struct Report: Sendable {
        package internal(set) var lastUsed: [KeyID: Timestamp] = [:]
        package internal(set) var senders: [SenderUse] = []

        package var isEmpty: Bool { lastUsed.isEmpty && senders.isEmpty }
    }

    private struct State {
        var lastUsed: [KeyID: Timestamp] = [:]
        var senders: [KeyID: [String: SenderUse]] = [:]
        /// Of all keys.
        var senderCount = 0
    }

    /// Told apart for each key between two tellings; the database keeps as many in all.
    static let mostSenders = 1000
    /// Told apart over all keys.
    static let mostSendersOfAll = 20_000
    private static let mostKeys = 100_000
    private static let longestSender = 512

    private let state = Mutex(State())

    package init() {}

    package func note(_ grant: Grant, at now: Timestamp) {
        guard let key = grant.keyID else { return }
        state.withLock { state in
            guard state.lastUsed.count < Self.mostKeys || state.lastUsed[key] != nil else { return }
            state.lastUsed[key] = now
        }
    }

    /// Counts one use of a superseded key; of others nothing.
    ///
    /// - Parameters:
    ///   - machine: what the record names, if it names one.
    ///   - address: used when it does not.
    package func noteSender(_ grant: Grant, machine: String?, address: @autoclosure () -> String, at now: Timestamp) {
        guard grant.isSuperseded, let key = grant.keyID else { return }
        let named = machine ?? address()
        let sender = named.utf8.count > Self.longestSender ? "" : named
        let use = SenderUse(key: key, sender: sender, count: 1, lastSeen: now)
        state.withLock { Self.add(use, to: &$0) }
    }

    /// Everything since the last call.
    package func takeReport() -> Report {
        let state = state.withLock { state in
            let taken = state
            state = State()
            return taken
        }
        return Report(lastUsed: state.lastUsed, senders: state.senders.values.flatMap(\.values))
    }

    /// What could not be told counts again.
    package func putBack(_ report: Report) {
        state.withLock { state in
            state.lastUsed.merge(report.lastUsed) { max($0, $1) }
            for use in report.senders { Self.add(use, to: &state) }
        }
    }

    private static func add(_ use: SenderUse, to state: inout State) {
        let isFull = (state.senders[use.key]?.count ?? 0) >= mostSenders || state.senderCount >= mostSendersOfAll
        let isKnown = state.senders[use.key]?[use.sender] != nil
        let sender = isFull && !isKnown ? "" : use.sender
        guard var sum = state.senders[use.key]?[sender] else {
            guard state.senders[use.key] != nil || state.senders.count < mostKeys else { return }
            state.senderCount += 1
            let first = SenderUse(key: use.key, sender: sender, count: use.count, lastSeen: use.lastSeen)
            state.senders[use.key, default: [:]][sender] = first
            return
        }
        sum.count += use.count
        sum.lastSeen = max(sum.lastSeen, use.lastSeen)
        state.senders[use.key]?[sender] = sum
    }
}
