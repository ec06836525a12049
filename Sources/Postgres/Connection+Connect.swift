import CLibPQ
import Glibc
import Synchronization

extension Connection {
    /// Makes a session.
    ///
    /// Errors: `.connectionFailed` (with the server's SQLSTATE if it gave one), `.deadlineExceeded`, `.cancelled`. Returns in
    /// time even if the name service does not answer: the thread that is waiting for it ends when it does.
    package static func connect(
        _ configuration: ConnectionConfiguration,
        deadline: ContinuousClock.Instant,
        on executor: ThreadExecutor? = nil
    ) async throws(PostgresError) -> Connection {
        let connection = Connection(configuration, on: executor)
        let outcome = FirstAnswer<PostgresError?>()
        let opening = Task {
            // On a thread of its own: looking the server's name up may take as long as it likes.
            let resolver = ThreadExecutor()
            let started = await withTaskExecutorPreference(resolver) { Started(pointer: startConnecting(configuration)) }
            resolver.stop()
            outcome.give(await connection.opened(started, deadline))
        }
        let timer = Task {
            // The connection keeps the deadline itself, unless it hangs in a call that has none.
            try? await Task.sleep(until: deadline + .milliseconds(50), clock: .continuous)
            if !Task.isCancelled { outcome.give(.deadlineExceeded) }
        }
        let failure = await withTaskCancellationHandler {
            await outcome.value()
        } onCancel: {
            outcome.give(.cancelled)
        }
        timer.cancel()
        guard let failure else { return connection }
        connection.monitor.requestClose()
        Task {
            await opening.value
            await connection.close()
        }
        throw failure
    }

    private func opened(_ started: Started, _ deadline: ContinuousClock.Instant) -> PostgresError? {
        do throws(PostgresError) {
            try open(started, deadline)
            return nil
        } catch {
            closeNow()
            return error
        }
    }

    private func open(_ started: Started, _ deadline: ContinuousClock.Instant) throws(PostgresError) {
        guard let connection = started.pointer else { throw PostgresError(.connectionFailed, "libpq is out of memory") }
        session = Session(connection)
        guard monitor.wakeup >= 0 else { throw PostgresError(.connectionFailed, "no file descriptor is free") }
        guard ContinuousClock.now < deadline else { throw .deadlineExceeded }
        // Notices would go to stderr.
        PQsetNoticeProcessor(connection, { _, _ in }, nil)
        // The only way to learn the SQLSTATE of a refused start-up is its text.
        PQsetErrorVerbosity(connection, PQERRORS_VERBOSE)
        try finishConnecting(connection, deadline)
        guard PQsetnonblocking(connection, 1) == 0 else { throw refused(connection) }
        monitor.setSocket(PQsocket(connection))
        monitor.serverVersion.store(PQserverVersion(connection), ordering: .relaxed)
        monitor.backendPID.store(PQbackendPID(connection), ordering: .relaxed)
        monitor.status = .idle
        monitor.usesNamedStatements.store(try decideNames(connection, deadline), ordering: .relaxed)
    }

    /// A session that libpq has begun to make: the server's address is known, and its socket connects.
    private struct Started: @unchecked Sendable {
        // Used by one thread after the other.
        let pointer: OpaquePointer?
    }

    private static func startConnecting(_ configuration: ConnectionConfiguration) -> OpaquePointer? {
        let parameters = configuration.parameters
        var keywords = parameters.map { strdup($0.keyword) }
        var values = parameters.map { strdup($0.value) }
        defer { for pointer in keywords + values { free(pointer) } }
        keywords.append(nil)
        values.append(nil)
        return keywords.map { UnsafePointer<CChar>($0) }.withUnsafeBufferPointer { keywords in
            values.map { UnsafePointer<CChar>($0) }.withUnsafeBufferPointer { values in
                PQconnectStartParams(keywords.baseAddress, values.baseAddress, 0)
            }
        }
    }

    private func finishConnecting(_ connection: OpaquePointer, _ deadline: ContinuousClock.Instant) throws(PostgresError) {
        guard PQstatus(connection) != CONNECTION_BAD else { throw refused(connection) }
        // libpq: behave at first as if PQconnectPoll had returned PGRES_POLLING_WRITING.
        var events = POLLOUT
        while true {
            _ = try wait(for: events, on: PQsocket(connection), until: deadline)
            switch PQconnectPoll(connection) {
            case PGRES_POLLING_OK: return
            case PGRES_POLLING_READING: events = POLLIN
            case PGRES_POLLING_WRITING: events = POLLOUT
            default: throw refused(connection)
            }
        }
    }

    private func refused(_ connection: OpaquePointer) -> PostgresError {
        .connection(.connectionFailed, libpqMessage: String(cString: PQerrorMessage(connection)))
    }

    private func decideNames(
        _ connection: OpaquePointer,
        _ deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> Bool {
        switch configuration.statementNames {
        case .named: return true
        case .unnamed: return false
        case .auto: break
        }
        let told = PQbackendPID(connection)
        let rows = try run(Query("SELECT pg_backend_pid()"), deadline)
        guard let actual = try rows.first?.decode(0, as: Int32.self) else {
            throw PostgresError(.connectionFailed, "the server does not say its process id")
        }
        monitor.backendPID.store(actual, ordering: .relaxed)
        return actual == told
    }
}

/// Holds the first of several answers for one who waits for it.
private final class FirstAnswer<Value: Sendable>: Sendable {
    private struct State {
        var answer: Value?
        var waiter: CheckedContinuation<Value, Never>?
    }

    private let state = Mutex(State())

    func give(_ answer: Value) {
        let waiter = state.withLock { state -> CheckedContinuation<Value, Never>? in
            guard state.answer == nil else { return nil }
            state.answer = answer
            return state.waiter.take()
        }
        waiter?.resume(returning: answer)
    }

    func value() async -> Value {
        await withCheckedContinuation { continuation in
            let answer = state.withLock { state -> Value? in
                if state.answer == nil { state.waiter = continuation }
                return state.answer
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }
}
