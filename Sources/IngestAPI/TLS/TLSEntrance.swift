import Logging
import Metrics
import NIOCore
import NIOSSL
import NIOTLS

/// What stands before HTTP on a listener that speaks TLS.
struct TLSEntrance: Sendable {
    let certificate: ServerCertificate
    let clients: ClientCertificates
    /// For a handshake, from the connection's beginning.
    let deadline: TimeAmount
    private let tally = HandshakeTally()

    init(certificate: ServerCertificate, clients: ClientCertificates, deadline: TimeAmount) {
        self.certificate = certificate
        self.clients = clients
        self.deadline = deadline
    }

    /// On the connection's event loop, before any other handler.
    ///
    /// - Returns: where the other end's certificate will be; nil when it is not asked for one.
    func add(to pipeline: ChannelPipeline.SynchronousOperations, logger: Logger) throws -> PeerCertificate? {
        let pair = certificate.current
        let shakesHands = HandshakeGuard(deadline: deadline, tally: tally, logger: logger)
        guard clients.isAsking else {
            try pipeline.addHandler(NIOSSLServerHandler(context: pair.context))
            try pipeline.addHandler(shakesHands)
            return nil
        }
        let peer = PeerCertificate()
        let handler = NIOSSLServerHandler(
            context: pair.askingContext,
            customVerificationCallbackWithMetadata: clients.take(peer)
        )
        shakesHands.peer = peer
        // A resumed session has no callback.
        shakesHands.whenCompleted = { [weak handler, clients] in clients.resume(peer, with: handler?.peerCertificate) }
        try pipeline.addHandler(handler)
        try pipeline.addHandler(shakesHands)
        return peer
    }

    /// Where the other end's certificate is; nil when it was not asked for one, or is gone.
    func certificate(of channel: any Channel) async -> PeerCertificate? {
        let found = channel.eventLoop.submit {
            try channel.pipeline.syncOperations.handler(type: HandshakeGuard.self).peer
        }
        return (try? await found.get()) ?? nil
    }
}

/// Counts handshakes by what became of them.
struct HandshakeTally: Sendable {
    let completed = Self.counter("completed")
    let failed = Self.counter("failed")
    let late = Self.counter("late")

    private static func counter(_ outcome: String) -> Counter {
        Counter(label: "sluice_tls_handshakes_total", dimensions: [("outcome", outcome)])
    }
}

/// Bounds a handshake in time, and writes down what became of it. Stands behind the TLS handler; what comes afterwards passes through.
final class HandshakeGuard: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let deadline: TimeAmount
    private let tally: HandshakeTally
    private let logger: Logger
    /// What the other end shows of itself, when it is asked.
    var peer: PeerCertificate?
    /// Called before anything that comes through the connection is looked at.
    var whenCompleted: () -> Void = {}
    private var timer: Scheduled<Void>?
    /// It has ended, in whatever way.
    private var isOver = false

    init(deadline: TimeAmount, tally: HandshakeTally, logger: Logger) {
        self.deadline = deadline
        self.tally = tally
        self.logger = logger
    }

    func handlerAdded(context: ChannelHandlerContext) {
        // Whoever has connected and says nothing is bounded too.
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: deadline) { self.giveUp(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent {
            end(counting: tally.completed)
            whenCompleted()
            whenCompleted = {}
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !isOver {
            end(counting: tally.failed)
            logger.debug("A TLS handshake failed", metadata: ["error": "\(error)"])
        }
        // The TLS handler closes the connection after a failed handshake. A sender that ends its side without TLS' own word for it is
        // like one that ends a plain connection: HTTP knows whether its request was whole.
        guard !(error is NIOSSLError) else { return }
        context.fireErrorCaught(error)
    }

    private func end(counting counter: Counter) {
        guard !isOver else { return }
        isOver = true
        timer?.cancel()
        timer = nil
        counter.increment()
    }

    private func giveUp(_ context: ChannelHandlerContext) {
        guard !isOver else { return }
        end(counting: tally.late)
        logger.debug("A TLS handshake did not end in time")
        context.close(promise: nil)
    }
}
