import Synchronization

/// A bounded pool of connections, made when they are needed.
///
/// While the database is away, callers wait until their own deadlines; connections are tried again after growing pauses of
/// at most a second, and everybody is served when it is back.
package final class ConnectionPool: Sendable {
    private struct Waiter {
        var continuation: CheckedContinuation<Result<Lease, PostgresError>, Never>
        var timer: Task<Void, Never>?
    }

    struct Lease: Sendable {
        let id: Int
        let connection: Connection
    }

    private struct State {
        var machine: PoolStateMachine
        var connections: [Int: Connection] = [:]
        var waiters: [Int: Waiter] = [:]
        var nextWaiter = 0
        var lastFailure: PostgresError?
        var connecting: [Int: Task<Void, Never>] = [:]
        var retry: Task<Void, Never>?
        var closers: [CheckedContinuation<Void, Never>] = []
        var isDrained = false
    }

    private let configuration: PoolConfiguration
    private let state: Mutex<State>
    private static let probeTimeout = Duration.seconds(1)

    package init(_ configuration: PoolConfiguration) {
        self.configuration = configuration
        let settings = PoolStateMachine.Settings(
            maximumConnections: configuration.maximumConnections,
            idleCheckAfter: configuration.idleCheckAfter,
            maximumLifetime: configuration.maximumLifetime
        )
        state = Mutex(State(machine: PoolStateMachine(settings)))
    }

    /// Why the last attempt to connect failed; nil once one has worked.
    package var lastConnectFailure: PostgresError? { state.withLock { $0.lastFailure } }

    package var statistics: PoolStatistics { state.withLock { $0.machine.statistics } }

    /// Lends a connection to the body; it must not be used after the body has returned.
    ///
    /// A connection that comes back in a transaction, streaming or broken is closed. Errors: the body's; `.poolTimeout` when
    /// none came free before the deadline, which does not bound the body; `.poolClosed`; `.cancelled` while waiting.
    package func withConnection<T: Sendable>(
        deadline: ContinuousClock.Instant,
        _ body: @Sendable (Connection) async throws -> T
    ) async throws -> T {
        let lease = try await checkout(deadline)
        defer { giveBack(lease) }
        return try await body(lease.connection)
    }

    /// Refuses new work, waits for what is leased, closes everything.
    ///
    /// - Parameter deadline: leased connections are closed under their users then; nil waits for as long as they take.
    package func close(deadline: ContinuousClock.Instant? = nil) async {
        feed { state in
            for task in state.connecting.values { task.cancel() }
            state.retry?.cancel()
            return state.machine.shutDown()
        }
        let timer = deadline.map { deadline in
            Task {
                try? await Task.sleep(until: deadline, clock: .continuous)
                if !Task.isCancelled { self.interruptAll() }
            }
        }
        await withCheckedContinuation { continuation in
            let isDrained = state.withLock { state in
                if !state.isDrained { state.closers.append(continuation) }
                return state.isDrained
            }
            if isDrained { continuation.resume() }
        }
        timer?.cancel()
    }

    private func interruptAll() {
        for connection in state.withLock({ Array($0.connections.values) }) { connection.monitor.requestClose() }
    }
}

// MARK: - Waiting

extension ConnectionPool {
    private func checkout(_ deadline: ContinuousClock.Instant) async throws(PostgresError) -> Lease {
        let waiter = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                enqueue(waiter, continuation, deadline)
            }
        } onCancel: {
            giveUp(waiter, .cancelled)
        }
        return try result.get()
    }

    private func enqueue(
        _ waiter: Int,
        _ continuation: CheckedContinuation<Result<Lease, PostgresError>, Never>,
        _ deadline: ContinuousClock.Instant
    ) {
        // Cancelled before this: the handler found nobody. Cancelled after it: the handler finds the waiter.
        feed { state in
            state.waiters[waiter] = Waiter(continuation: continuation)
            return state.machine.checkout(waiter, now: .now)
        }
        if Task.isCancelled { return giveUp(waiter, .cancelled) }
        guard state.withLock({ $0.waiters[waiter] != nil }) else { return }
        let timer = Task {
            try? await Task.sleep(until: deadline, clock: .continuous)
            if !Task.isCancelled { self.timeOut(waiter) }
        }
        let isWaiting = state.withLock { state in
            state.waiters[waiter]?.timer = timer
            return state.waiters[waiter] != nil
        }
        if !isWaiting { timer.cancel() }
    }

    private func timeOut(_ waiter: Int) {
        let cause = state.withLock { $0.lastFailure }
        let message = cause.map { "no connection came free in time; the last attempt to connect: \($0)" }
        giveUp(waiter, PostgresError(.poolTimeout, message ?? "no connection came free in time", sqlState: cause?.sqlState))
    }

    private func giveUp(_ waiter: Int, _ error: PostgresError) {
        let entry = state.withLock { state -> Waiter? in
            guard state.machine.abandon(waiter) else { return nil }
            return state.waiters.removeValue(forKey: waiter)
        }
        entry?.timer?.cancel()
        entry?.continuation.resume(returning: .failure(error))
    }

    private func giveBack(_ lease: Lease) {
        let isReusable = lease.connection.isUsable
        feed { $0.machine.returned(lease.id, isReusable: isReusable, now: .now) }
    }
}

// MARK: - Acting

extension ConnectionPool {
    /// Feeds one event to the machine under the lock; acts outside it.
    private func feed(_ event: (inout State) -> [PoolStateMachine.Action]) {
        let effects = state.withLock { state in
            var pending = event(&state)[...]
            var effects: [@Sendable () -> Void] = []
            while let action = pending.popFirst() {
                pending += apply(action, &state, &effects)
            }
            return effects
        }
        for effect in effects { effect() }
    }

    /// Changes the books for one action; returns further actions, and collects what is to be done outside the lock.
    private func apply(
        _ action: PoolStateMachine.Action,
        _ state: inout State,
        _ effects: inout [@Sendable () -> Void]
    ) -> [PoolStateMachine.Action] {
        switch action {
        case .connect(let id):
            state.connecting[id] = Task { await self.connect(id) }
        case .hand(let id, let waiter):
            guard let connection = state.connections[id], !connection.isClosed, !connection.monitor.isPeerGone else {
                return state.machine.foundDead(id, for: waiter, now: .now)
            }
            let entry = state.waiters.removeValue(forKey: waiter)
            effects.append {
                entry?.timer?.cancel()
                entry?.continuation.resume(returning: .success(Lease(id: id, connection: connection)))
            }
        case .probe(let id):
            let connection = state.connections[id]
            effects.append { Task { await self.probe(id, connection) } }
        case .close(let id):
            let connection = state.connections.removeValue(forKey: id)
            effects.append {
                Task {
                    await connection?.close()
                    self.feed { $0.machine.closed(id, now: .now) }
                }
            }
        case .fail(let waiter):
            let entry = state.waiters.removeValue(forKey: waiter)
            let error =
                state.machine.isClosing
                ? PostgresError(.poolClosed, "the pool is closed")
                : PostgresError(.poolTimeout, "as many wait for a connection as may")
            effects.append {
                entry?.timer?.cancel()
                entry?.continuation.resume(returning: .failure(error))
            }
        case .retry(let instant):
            state.retry = Task {
                try? await Task.sleep(until: instant, clock: .continuous)
                self.feed { $0.machine.retryDue(now: .now) }
            }
        case .drained:
            state.isDrained = true
            let closers = state.closers
            state.closers = []
            effects.append { for closer in closers { closer.resume() } }
        }
        return []
    }

    private func connect(_ id: Int) async {
        do {
            let deadline = ContinuousClock.now + configuration.connectTimeout
            let connection = try await Connection.connect(configuration.connection, deadline: deadline)
            do {
                try await configuration.prepareConnection?(connection)
            } catch {
                await connection.close()
                throw error
            }
            feed { state in
                state.connecting[id] = nil
                state.connections[id] = connection
                state.lastFailure = nil
                return state.machine.connected(id, now: .now, jitter: .random(in: -1...1))
            }
        } catch {
            let failure = error as? PostgresError ?? PostgresError(.connectionFailed, "the new connection was not accepted")
            feed { state in
                state.connecting[id] = nil
                state.lastFailure = failure
                return state.machine.connectFailed(id, now: .now, jitter: .random(in: 0...1))
            }
        }
    }

    private func probe(_ id: Int, _ connection: Connection?) async {
        let deadline = ContinuousClock.now + Self.probeTimeout
        let answer = try? await connection?.execute(Query("SELECT 1"), deadline: deadline)
        feed { $0.machine.probed(id, isAlive: answer != nil, now: .now) }
    }
}
