package import Access
import EventCore
import Synchronization

/// Remembers what was loaded, and loads a value once however many ask for it at the same moment.
///
/// What is in it holds for `lifetime` after its load began and, with an epoch, for as long as the epoch is known to be the one it
/// was loaded under, up to `longestLifetime`. Failures are never remembered. At most `capacity` values are held, and as many
/// again of those that are not worth keeping: they never push out another.
package final class FreshCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Entry {
        let value: Value
        let loadedAt: ContinuousClock.Instant
        /// In force when the load began; nil when nobody knew.
        let epoch: Int64?
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        /// Those that are not worth keeping.
        var fleeting: [Key: Entry] = [:]
        var loading: [Key: Task<Value, any Error>] = [:]
    }

    private enum Found {
        case value(Value)
        case loading(Task<Value, any Error>)
        case refused
    }

    private let lifetime: Duration
    private let longestLifetime: Duration
    private let epoch: AccessEpoch?
    private let capacity: Int
    private let budget: LookupBudget?
    private let isWorthKeeping: @Sendable (Value) -> Bool
    private let now: @Sendable () -> ContinuousClock.Instant
    private let load: @Sendable (Key) async throws -> Value
    private let state = Mutex(State())

    /// - Parameters:
    ///   - lifetime: how long a value is believed whatever the epoch.
    ///   - epoch: what tells that something has changed; nil: nobody does.
    ///   - budget: bounds the loads of keys that no value worth keeping is held for.
    ///   - isWorthKeeping: false for values that anybody can make this cache hold.
    package init(
        lifetime: Duration,
        longestLifetime: Duration = .seconds(600),
        epoch: AccessEpoch? = nil,
        capacity: Int,
        budget: LookupBudget? = nil,
        isWorthKeeping: @escaping @Sendable (Value) -> Bool = { _ in true },
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        load: @escaping @Sendable (Key) async throws -> Value
    ) {
        self.lifetime = lifetime
        self.longestLifetime = longestLifetime
        self.epoch = epoch
        self.capacity = capacity
        self.budget = budget
        self.isWorthKeeping = isWorthKeeping
        self.now = now
        self.load = load
    }

    /// What is held for a key and still holds. Synchronous, and takes two short locks: for the hottest path.
    package func cached(_ key: Key) -> Value? {
        let now = now()
        let current = epoch?.current(now)
        return state.withLock { state in
            guard let entry = state.entries[key] ?? state.fleeting[key], holds(entry, now, current) else { return nil }
            return entry.value
        }
    }

    /// - Parameters:
    ///   - maximumAge: nil: the cache's lifetime. Shorter for a look at something that may have been made just now.
    ///   - isSuspect: asked for by somebody who may have only a part of the budget.
    /// - Throws: `LookupBudget.Exhausted`, or the load's error.
    package func value(for key: Key, maximumAge: Duration? = nil, isSuspect: Bool = false) async throws -> Value {
        let now = now()
        let current = epoch?.current(now)
        let found = state.withLock { state -> Found in
            let kept = state.entries[key]
            if let entry = kept ?? state.fleeting[key] {
                let isFresh = maximumAge.map { now < entry.loadedAt + $0 } ?? holds(entry, now, current)
                if isFresh { return .value(entry.value) }
            }
            if let task = state.loading[key] { return .loading(task) }
            // What was worth keeping is asked for again whatever others ask for.
            let charged = kept == nil ? budget : nil
            if let charged, !charged.begin(isSuspect: isSuspect, now: now) { return .refused }
            let task = Task {
                defer { charged?.finish() }
                return try await self.reload(key, startedAt: now, epoch: current)
            }
            state.loading[key] = task
            return .loading(task)
        }
        switch found {
        case .value(let value): return value
        case .loading(let task): return try await task.value
        case .refused: throw LookupBudget.Exhausted()
        }
    }

    private func holds(_ entry: Entry, _ now: ContinuousClock.Instant, _ current: Int64?) -> Bool {
        if let current, let epoch = entry.epoch { return epoch == current && now < entry.loadedAt + longestLifetime }
        // Nobody knows whether something has changed, or did when it was loaded.
        return now < entry.loadedAt + lifetime
    }

    private func reload(_ key: Key, startedAt: ContinuousClock.Instant, epoch: Int64?) async throws -> Value {
        do {
            let value = try await load(key)
            let entry = Entry(value: value, loadedAt: startedAt, epoch: epoch)
            state.withLock { state in
                state.loading[key] = nil
                if isWorthKeeping(value) {
                    state.fleeting[key] = nil
                    state.entries.set(entry, for: key, most: capacity)
                } else {
                    state.entries[key] = nil
                    state.fleeting.set(entry, for: key, most: capacity)
                }
            }
            return value
        } catch {
            state.withLock { $0.loading[key] = nil }
            throw error
        }
    }
}
