import Access
import Hummingbird
import Logging
import NIOCore

/// What a request carries with it.
struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    private let channel: any Channel
    /// What the other end has shown of itself under TLS.
    let certificate = PeerCertificate.ofThisConnection
    /// Who really sends: the peer, or whom a trusted proxy speaks for. Nil before the gate, and where there are no addresses.
    var clientAddress: IPAddress?
    /// What is learnt of this request, for the log.
    let note = RequestNote()

    init(source: Source) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    /// The other end of the connection, which may be a proxy.
    var peerAddress: IPAddress? { channel.remoteAddress.flatMap(IPAddress.init) }
    /// Takes over what the sender calls its request.
    mutating func name(_ requestID: String) {
        logger[metadataKey: "hb.request.id"] = .string(requestID)
    }

    /// Nobody waits for the answer any more.
    var isConnectionClosed: Bool { !channel.isActive }

    /// Nil ends the connection without a byte of answer: the one thing that makes the SAP client keep its event.
    func send(_ reply: Reply?) async -> Response {
        if let reply { return reply.response }
        note.isClosed = true
        try? await channel.close().get()
        // Nothing of this is sent: the connection is gone.
        return Response(status: .serviceUnavailable)
    }
}

extension IPAddress {
    /// Nil for a Unix socket's.
    init?(_ address: SocketAddress) {
        // The address stands after family and port (sockaddr_in), and after the flow label too (sockaddr_in6: RFC 3493, 3.3).
        let parsed = address.withSockAddr { pointer, size -> IPAddress? in
            let bytes = UnsafeRawBufferPointer(start: pointer, count: size)
            switch address {
            case .v4 where size >= 8: return IPAddress(v4: UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
            case .v6 where size >= 24: return IPAddress(v6: UnsafeRawBufferPointer(rebasing: bytes[8..<24]))
            default: return nil
            }
        }
        guard let parsed else { return nil }
        self = parsed
    }
}
