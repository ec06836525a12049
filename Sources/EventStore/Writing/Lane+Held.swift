import EventCore
import Synchronization

extension Lane {
    /// The events but for those whose row another transaction was found to hold a moment ago: their submissions end with `.held`.
    func withoutHeld(_ items: [EventItem], _ work: inout BatchWork) -> [EventItem] {
        let now = ContinuousClock.now
        guard !lanes.held.isCalm(now: now) else { return items }
        work.lockWait = BatchWork.shortLockWait
        return items.filter { item in
            guard lanes.held.contains(item.key, now: now) else { return true }
            turnAway(item)
            return false
        }
    }

    /// Its row is held: for a while no lane waits for it again.
    func setAside(_ item: EventItem) {
        lanes.held.insert(item.key, now: .now)
        turnAway(item)
    }

    /// The sender tries again. What else its submission holds is stored all the same.
    private func turnAway(_ item: EventItem) {
        counters.count { $0.held += 1 }
        lanes.fail([item.submission], .held)
    }
}

/// Rows that a transaction holds which does not end: a backend that hangs, somebody's open session, a standby that does not confirm.
/// Whoever inserts one of them waits for it, so its sender, trying again and again, would end up with every lane.
///
/// Once there is such a row, no lane waits long for any: a transaction that holds one may hold a thousand.
final class HeldRows: Sendable {
    /// How long a row is not asked for again.
    static let pause = Duration.seconds(5)
    /// How long after the last find lanes wait no longer than `BatchWork.shortLockWait`.
    static let caution = Duration.seconds(60)
    private static let most = 10_000

    private struct State {
        var ends: [EventKey: ContinuousClock.Instant] = [:]
        var calmAt: ContinuousClock.Instant?
    }

    private let state = Mutex(State())

    /// None was found lately.
    func isCalm(now: ContinuousClock.Instant) -> Bool {
        state.withLock { state in
            guard let calmAt = state.calmAt else { return true }
            guard calmAt <= now else { return false }
            state = State()
            return true
        }
    }

    func insert(_ key: EventKey, now: ContinuousClock.Instant) {
        state.withLock { state in
            state.calmAt = now + Self.caution
            state.ends.set(now + Self.pause, for: key, most: Self.most)
        }
    }

    func contains(_ key: EventKey, now: ContinuousClock.Instant) -> Bool {
        state.withLock { state in
            guard let end = state.ends[key] else { return false }
            if end > now { return true }
            state.ends[key] = nil
            return false
        }
    }
}
