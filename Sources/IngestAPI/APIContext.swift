import Access
import Hummingbird
import NIOCore

/// What a request carries with it.
struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    private let channel: any Channel

    init(source: Source) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    /// Nobody waits for the answer any more.
    var isConnectionClosed: Bool { !channel.isActive }

    /// Nil ends the connection without a byte of answer: the one thing that makes the SAP client keep its event.
    func send(_ reply: Reply?) async -> Response {
        if let reply { return reply.response }
        try? await channel.close().get()
        // Nothing of this is sent: the connection is gone.
        return Response(status: .serviceUnavailable)
    }
}
