import CLibPQ
import Glibc
import Synchronization

/// One cancel request on a thread of its own: PQcancel blocks, and against a stopped server it never returns.
final class CancelRequest: Sendable {
    /// More than these at once are not sent: a hung server must not cost a thread for each request.
    static let limit = 8
    private static let running = Atomic<Int>(0)

    // PQcancel only reads it; made before the thread starts, freed with the last reference, after the thread is done.
    private nonisolated(unsafe) let cancel: OpaquePointer
    private let monitor: ConnectionMonitor
    private let finished = Atomic<Bool>(false)

    /// PQcancel has returned: the server has taken the request and will not cancel a later statement for it.
    var isFinished: Bool { finished.load(ordering: .acquiring) }

    /// nil if the connection has nothing to cancel, or too many requests hang already.
    static func send(for connection: OpaquePointer, monitor: ConnectionMonitor) -> CancelRequest? {
        guard running.add(1, ordering: .relaxed).newValue <= limit else {
            running.subtract(1, ordering: .relaxed)
            return nil
        }
        guard let cancel = PQgetCancel(connection) else {
            running.subtract(1, ordering: .relaxed)
            return nil
        }
        let request = CancelRequest(cancel, monitor: monitor)
        guard request.start() else {
            running.subtract(1, ordering: .relaxed)
            return nil
        }
        return request
    }

    private init(_ cancel: OpaquePointer, monitor: ConnectionMonitor) {
        self.cancel = cancel
        self.monitor = monitor
    }

    deinit { PQfreeCancel(cancel) }

    private func start() -> Bool {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let failed = pthread_create(
            &thread,
            nil,
            { context in
                guard let context else { return nil }
                var all = sigset_t()
                sigfillset(&all)
                pthread_sigmask(SIG_BLOCK, &all, nil)
                Unmanaged<CancelRequest>.fromOpaque(context).takeRetainedValue().run()
                return nil
            },
            context.toOpaque()
        )
        guard failed == 0 else {
            context.release()
            return false
        }
        pthread_detach(thread)
        return true
    }

    private func run() {
        _ = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { PQcancel(cancel, $0.baseAddress, 256) }
        finished.store(true, ordering: .releasing)
        Self.running.subtract(1, ordering: .relaxed)
        monitor.wake()
    }
}
