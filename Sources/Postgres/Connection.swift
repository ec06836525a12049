import CLibPQ
import Glibc
import Synchronization

/// One session with PostgreSQL, on a thread of its own.
///
/// Every call has a deadline and ends in time: on the caller's deadline or cancellation the server is asked to cancel,
/// and if it does not answer within the configuration's `grace` the session is closed. One call runs at a time; calls made meanwhile wait for
/// the thread, but for those made while a copy is being delivered, which throw `.connectionBusy`.
package actor Connection {
    nonisolated let thread: ConnectionThread
    /// The thread ends with the connection.
    private nonisolated let ownsThread: Bool
    nonisolated let monitor = ConnectionMonitor()
    nonisolated let configuration: ConnectionConfiguration
    /// nil before it is open and after it is closed.
    var session: Session?
    var isStreaming = false
    /// While a transaction's body runs: no wait inside it is longer.
    var transactionDeadline: ContinuousClock.Instant?
    /// While cleaning up: the task's cancellation is not looked at.
    var isShielded = false
    var prepared = PreparedStatements()

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// - Parameter executor: whose thread to use instead of one of its own.
    init(_ configuration: ConnectionConfiguration, on executor: ThreadExecutor? = nil) {
        self.configuration = configuration
        thread = executor?.thread ?? ConnectionThread()
        ownsThread = executor == nil
    }

    deinit {
        monitor.setSocket(-1)
        if ownsThread { thread.stop() }
    }

    /// Open, and between transactions.
    package nonisolated var isUsable: Bool { monitor.status == .idle && !monitor.isClosing }
    package nonisolated var isClosed: Bool { monitor.status == .closed || monitor.isClosing }
    /// Whether the server has hung up, by one look at the socket; never blocks.
    package nonisolated var isPeerGone: Bool { monitor.isPeerGone }
    /// The backend's process id: behind a pooler and with `StatementNames.auto`, that of the backend met at first.
    package nonisolated var serverBackendPID: Int32 { monitor.backendPID.load(ordering: .relaxed) }
    /// As libpq has it: 150018 is 15.18.
    package nonisolated var serverVersion: Int32 { monitor.serverVersion.load(ordering: .relaxed) }
    package nonisolated var usesNamedStatements: Bool { monitor.usesNamedStatements.load(ordering: .relaxed) }

    /// Ends the session and its thread. A call that is waiting throws `.connectionLost`.
    package nonisolated func close() async {
        let wasIdle = monitor.status == .idle
        monitor.requestClose()
        await closeNow(isHealthy: wasIdle)
    }

    /// Says goodbye to the server only if the session is healthy, that is, at rest.
    func closeNow(isHealthy: Bool = false) {
        monitor.status = .closed
        monitor.setSocket(-1)
        session?.finish(isHealthy: isHealthy)
        session = nil
        if ownsThread { thread.stop() }
    }

    /// Runs one operation on the connection's thread; the task's cancellation wakes it out of its wait.
    func interruptible<T: Sendable>(
        _ operation: (isolated Connection) throws(PostgresError) -> T
    ) async throws(PostgresError) -> T {
        let monitor = monitor
        let result = await withTaskCancellationHandler {
            do throws(PostgresError) {
                return Result<T, PostgresError>.success(try operation(self))
            } catch {
                return .failure(error)
            }
        } onCancel: {
            monitor.wake()
        }
        return try result.get()
    }

    /// The session, if an operation may begin on it.
    func begin(_ deadline: ContinuousClock.Instant) throws(PostgresError) -> OpaquePointer {
        guard let pointer = session?.pointer, !monitor.isClosing else { throw .closedHere }
        guard !isStreaming else { throw PostgresError(.connectionBusy, "a copy is being delivered") }
        if !isShielded, Task.isCancelled { throw .cancelled }
        guard ContinuousClock.now < capped(deadline) else { throw .deadlineExceeded }
        return pointer
    }

    func capped(_ deadline: ContinuousClock.Instant) -> ContinuousClock.Instant {
        guard !isShielded, let transactionDeadline else { return deadline }
        return min(deadline, transactionDeadline)
    }

    /// Waits for the socket and returns what poll(2) says of it; with no events asked for, returns when woken too.
    func wait(
        for events: Int32,
        on descriptor: Int32,
        until deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> Int32 {
        let deadline = capped(deadline)
        while true {
            if monitor.isClosing { throw .closedHere }
            if !isShielded, Task.isCancelled { throw .cancelled }
            let remaining = max(.zero, ContinuousClock.now.duration(to: deadline))
            let (socket, woken) = try Self.poll(descriptor, events, monitor.wakeup, remaining)
            if woken { monitor.drainWakeups() }
            if socket != 0 || (woken && events == 0) { return socket }
            if !woken, ContinuousClock.now >= deadline { throw .deadlineExceeded }
        }
    }

    private static func poll(
        _ socket: Int32,
        _ events: Int32,
        _ wakeup: Int32,
        _ timeout: Duration
    ) throws(PostgresError) -> (socket: Int32, woken: Bool) {
        var entries = (
            pollfd(fd: socket, events: Int16(truncatingIfNeeded: events), revents: 0),
            pollfd(fd: wakeup, events: Int16(POLLIN), revents: 0)
        )
        // Rounded up, or the last millisecond would be spent spinning; a day is far beyond any deadline.
        let bounded = min(timeout, .seconds(86_400)) + .nanoseconds(999_999)
        let milliseconds = bounded / .milliseconds(1)
        let count = withUnsafeMutablePointer(to: &entries) { entries in
            entries.withMemoryRebound(to: pollfd.self, capacity: 2) { Glibc.poll($0, 2, Int32(milliseconds)) }
        }
        guard count >= 0 else {
            if errno == EINTR { return (0, false) }
            throw PostgresError(.connectionLost, "poll failed, errno \(errno)")
        }
        return (Int32(entries.0.revents), entries.1.revents != 0)
    }
}
