import CLibPQ
import Glibc

/// Owns a PGconn.
final class Session {
    let pointer: OpaquePointer
    private var isFinished = false

    init(_ pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit { finish(isHealthy: false) }

    /// PQfinish, without a wait: the session is non-blocking, and one that is not healthy is cut off before libpq can try
    /// to say goodbye.
    func finish(isHealthy: Bool) {
        guard !isFinished else { return }
        isFinished = true
        let socket = PQsocket(pointer)
        if !isHealthy, socket >= 0 { shutdown(socket, Int32(SHUT_RDWR)) }
        PQfinish(pointer)
    }
}
