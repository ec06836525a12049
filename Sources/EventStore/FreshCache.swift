import Synchronization

/// Remembers what was loaded for a short time, and loads a value once however many ask for it at the same moment.
///
/// The time counts from the start of the load, so a change that is committed is seen everywhere `lifetime` later.
/// Failures are never remembered. At most `capacity` values are held.
package final class FreshCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Entry {
        let value: Value
        let loadedAt: ContinuousClock.Instant
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var loading: [Key: Task<Value, any Error>] = [:]
    }

    private enum Found {
        case value(Value)
        case loading(Task<Value, any Error>)
    }

    private let lifetime: Duration
    private let capacity: Int
    private let now: @Sendable () -> ContinuousClock.Instant
    private let load: @Sendable (Key) async throws -> Value
    private let state = Mutex(State())

    package init(
        lifetime: Duration,
        capacity: Int,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        load: @escaping @Sendable (Key) async throws -> Value
    ) {
        self.lifetime = lifetime
        self.capacity = capacity
        self.now = now
        self.load = load
    }

    /// The value, where it is here and fresh; loads nothing.
    package func known(_ key: Key) -> Value? {
        let now = now()
        return state.withLock { state in
            guard let entry = state.entries[key], now < entry.loadedAt + lifetime else { return nil }
            return entry.value
        }
    }

    /// - Parameter maximumAge: nil: the cache's lifetime. Shorter for a look at something that may have been made just now.
    package func value(for key: Key, maximumAge: Duration? = nil) async throws -> Value {
        let now = now()
        let found = state.withLock { state -> Found in
            if let entry = state.entries[key], now < entry.loadedAt + (maximumAge ?? lifetime) { return .value(entry.value) }
            if let task = state.loading[key] { return .loading(task) }
            let task = Task { try await self.reload(key, startedAt: now) }
            state.loading[key] = task
            return .loading(task)
        }
        switch found {
        case .value(let value): return value
        case .loading(let task): return try await task.value
        }
    }

    private func reload(_ key: Key, startedAt: ContinuousClock.Instant) async throws -> Value {
        do {
            let value = try await load(key)
            state.withLock { state in
                state.loading[key] = nil
                if state.entries.count >= capacity {
                    state.entries = state.entries.filter { startedAt < $0.value.loadedAt + lifetime }
                    if state.entries.count >= capacity { state.entries.removeAll() }
                }
                state.entries[key] = Entry(value: value, loadedAt: startedAt)
            }
            return value
        } catch {
            state.withLock { $0.loading[key] = nil }
            throw error
        }
    }
}
