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

    /// Ends the connection without a byte of answer: the one thing that makes the SAP client keep its event.
    func closeConnection() async {
        try? await channel.close().get()
    }
}
