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
        var loading: [Key: Load] = [:]
    }

    private struct Load {
        let task: Task<Value, any Error>
        /// Nil while it waits to begin.
        var startedAt: ContinuousClock.Instant?
    }

    private enum Found {
        case value(Value)
        case loading(Load)
        case refused
    }

    /// Between the beginnings of two loads of one key for those who want the value of now.
    private static var leastPause: Duration { .milliseconds(100) }

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

    /// - Parameter isSuspect: asked for by somebody who may have only a part of the budget.
    /// - Throws: `LookupBudget.Exhausted`, or the load's error.
    package func value(for key: Key, isSuspect: Bool = false) async throws -> Value {
        let now = now()
        let current = epoch?.current(now)
        let found = find(key, now: now, isSuspect: isSuspect, pause: nil) { holds($0, now, current) }
        switch found {
        case .value(let value): return value
        case .loading(let load): return try await load.task.value
        case .refused: throw LookupBudget.Exhausted()
        }
    }

    /// Like `value(for:)`, but from a load that began at or after a moment, however fresh what is held: for a look at something that
    /// may have been made just now. May take a tenth of a second longer, also for whoever asks meanwhile: such loads of one key keep that
    /// distance.
    package func value(for key: Key, loadedSince askedAt: ContinuousClock.Instant) async throws -> Value {
        while true {
            switch find(key, now: now(), isSuspect: false, pause: Self.leastPause, fits: { $0.loadedAt >= askedAt }) {
            case .value(let value): return value
            case .loading(let load):
                guard let startedAt = load.startedAt, startedAt < askedAt else { return try await load.task.value }
                // Too old whatever it brings, but its failure; whoever is found loading next began later.
                _ = try await load.task.value
            case .refused: throw LookupBudget.Exhausted()
            }
        }
    }

    /// What is held and fits, or the load that is under way, or else a new one.
    ///
    /// - Parameter pause: how long after the load of what is held the new one may begin.
    private func find(
        _ key: Key,
        now: ContinuousClock.Instant,
        isSuspect: Bool,
        pause: Duration?,
        fits: (Entry) -> Bool
    ) -> Found {
        state.withLock { state in
            let kept = state.entries[key]
            let entry = kept ?? state.fleeting[key]
            if let entry, fits(entry) { return .value(entry.value) }
            if let load = state.loading[key] { return .loading(load) }
            // What was worth keeping is asked for again whatever others ask for.
            let charged = kept == nil ? budget : nil
            if let charged, !charged.begin(isSuspect: isSuspect, now: now) { return .refused }
            var wait: Duration?
            if let pause, let entry, entry.loadedAt + pause > now { wait = now.duration(to: entry.loadedAt + pause) }
            let task = Task {
                defer { charged?.finish() }
                if let wait { try? await Task.sleep(for: wait) }
                return try await self.reload(key)
            }
            let load = Load(task: task)
            state.loading[key] = load
            return .loading(load)
        }
    }

    private func holds(_ entry: Entry, _ now: ContinuousClock.Instant, _ current: Int64?) -> Bool {
        if let current, let epoch = entry.epoch { return epoch == current && now < entry.loadedAt + longestLifetime }
        // Nobody knows whether something has changed, or did when it was loaded.
        return now < entry.loadedAt + lifetime
    }

    private func reload(_ key: Key) async throws -> Value {
        let startedAt = now()
        let epoch = epoch?.current(startedAt)
        state.withLock { $0.loading[key]?.startedAt = startedAt }
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
