import Access
import Synchronization

/// What is learnt of a request on its way, for the line that is written of it.
final class RequestNote: Sendable {
    private struct State {
        var grant: Grant?
        var address: IPAddress?
        var isClosed = false
    }

    private let state = Mutex(State())

    var grant: Grant? {
        get { state.withLock { $0.grant } }
        set { state.withLock { $0.grant = newValue } }
    }

    /// Who really sends, as far as trusted proxies tell.
    var address: IPAddress? {
        get { state.withLock { $0.address } }
        set { state.withLock { $0.address = newValue } }
    }

    /// The connection was closed instead of an answer.
    var isClosed: Bool {
        get { state.withLock { $0.isClosed } }
        set { state.withLock { $0.isClosed = newValue } }
    }
}
