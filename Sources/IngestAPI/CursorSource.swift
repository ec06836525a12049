import EventStore
import Synchronization

/// The codec that all replicas share; its secret is fetched with the first cursor and never changes.
final class CursorSource: Sendable {
    private let installation: Installation
    private let codec = Mutex<CursorCodec?>(nil)

    init(_ installation: Installation) {
        self.installation = installation
    }

    func codec(deadline: ContinuousClock.Instant) async throws -> CursorCodec {
        if let known = codec.withLock({ $0 }) { return known }
        let fetched = CursorCodec(secret: try await installation.cursorSecret(deadline: deadline))
        codec.withLock { $0 = fetched }
        return fetched
    }
}
