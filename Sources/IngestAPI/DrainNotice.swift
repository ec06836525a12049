import ServiceLifecycle
import Synchronization

/// Goes up once, when this server is told to stop.
final class ClosingSign: Sendable {
    private let state = Atomic<Bool>(false)
    private let end = Atomic<Bool>(false)

    var isUp: Bool { state.load(ordering: .relaxed) }
    /// From now on no connection is taken.
    var isDrained: Bool { end.load(ordering: .relaxed) }

    func raise() {
        state.store(true, ordering: .relaxed)
    }

    func drained() {
        end.store(true, ordering: .relaxed)
    }
}

/// The first to learn of a shutdown: raises the sign and lets everything go on as before for a while, so that load balancers look
/// elsewhere before connections are refused.
struct DrainNotice: Service {
    let sign: ClosingSign
    let delay: Duration

    func run() async throws {
        try? await gracefulShutdown()
        sign.raise()
        // Cancelled because another part failed: then there is nothing to wait for.
        try? await Task.sleep(for: delay)
        sign.drained()
    }
}
