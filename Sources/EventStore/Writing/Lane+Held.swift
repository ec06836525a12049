import EventCore
import Synchronization

extension Lane {
    /// The events but for those whose row another transaction was found to hold a moment ago: their submissions end with `.held`.
    func withoutKnownHeld(_ items: [EventItem], _ work: inout BatchWork) -> [EventItem] {
        let now = ContinuousClock.now
        guard lanes.held.isAnybodyConcerned(in: items, now: now) else { return items }
        work.lockWait = BatchWork.shortLockWait
        return items.filter { item in
            guard lanes.held.contains(HeldRows.Key(item), now: now) else { return true }
            turnAway(item)
            return false
        }
    }

    /// What is to be tried next, after a transaction with these events waited in vain for one of their rows or for their table.
    ///
    /// Tenants go apart first: none pays for another's row. Then halves, until a row is found, or so many that the rest is likely held too.
    func withoutHeld(after work: inout BatchWork, _ items: [EventItem]) -> [[EventItem]] {
        work.lockWait = BatchWork.shortLockWait
        let tenants = Dictionary(grouping: items, by: \.event.tenant)
        if tenants.count > 1 { return Array(tenants.values) }
        guard items.count == 1 || work.heldRows >= BatchWork.mostHeldRows else { return halves(items) }
        work.heldRows += items.count
        for item in items {
            lanes.held.insert(HeldRows.Key(item), of: item.event.tenant, now: .now)
            turnAway(item)
        }
        return []
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
/// Once a tenant has such a row, no lane waits long for any of its rows: a transaction that holds one may hold a thousand.
final class HeldRows: Sendable {
    /// What is held: the row of an event, or the explicit id that it came with.
    enum Key: Hashable {
        case event(EventKey)
        case claim(ClaimKey)

        init(_ item: EventItem) {
            self = ClaimKey(item).map(Key.claim) ?? .event(item.key)
        }
    }

    /// How long a row is not asked for again.
    static let pause = Duration.seconds(5)
    /// How long after the last find lanes wait no longer than `BatchWork.shortLockWait`.
    static let caution = Duration.seconds(60)
    private static let most = 10_000

    private struct State {
        var ends: [Key: ContinuousClock.Instant] = [:]
        var calmAt: [TenantID: ContinuousClock.Instant] = [:]
    }

    private let state = Mutex(State())

    /// One of the events' tenants had a held row lately.
    func isAnybodyConcerned(in items: [EventItem], now: ContinuousClock.Instant) -> Bool {
        state.withLock { state in
            guard !state.calmAt.isEmpty else { return false }
            state.calmAt = state.calmAt.filter { $0.value > now }
            if state.calmAt.isEmpty { state.ends = [:] }
            return items.contains { state.calmAt[$0.event.tenant] != nil }
        }
    }

    func insert(_ key: Key, of tenant: TenantID, now: ContinuousClock.Instant) {
        state.withLock { state in
            state.calmAt[tenant] = now + Self.caution
            state.ends.set(now + Self.pause, for: key, most: Self.most)
        }
    }

    func contains(_ key: Key, now: ContinuousClock.Instant) -> Bool {
        state.withLock { state in
            guard let end = state.ends[key] else { return false }
            if end > now { return true }
            state.ends[key] = nil
            return false
        }
    }
}
