import Access
import EventCore
import EventStore
import Hummingbird
import NIOCore
import NIOHTTP1

/// One connection's short way: looks at each request before Hummingbird does, and answers it or passes it on untouched.
///
/// Requests on a connection are answered in their order: while one is being stored here, what follows is kept, and no more is
/// read than has come; while one is with Hummingbird, those that follow go there too.
final class DirectIngestHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        /// Between requests, or passing one on.
        case passing
        /// The head has come, and may be a plain one's.
        case collecting(DirectRequest)
        /// Handed to a lane.
        case storing(DirectSubmission)
    }

    private let direct: DirectIngest
    private let requestGuard: RequestGuard
    private let certificate: PeerCertificate?
    private let desk: ReplyDesk
    private var state = State.passing
    private var context: ChannelHandlerContext?
    private var encoder: ChannelHandlerContext?
    private var peer: IPAddress?
    /// Requests passed on whose answer is not out yet.
    private var passedOn = 0
    private var hasPassedOn = false
    /// What came, and what was asked for, while a request was being stored.
    private var held: [HTTPServerRequestPart] = []
    private var heldError: (any Error)?
    private var heldClose: (mode: CloseMode, promise: EventLoopPromise<Void>?)?
    private var holdsRead = false
    private var closesAfterAnswer = false

    /// - Parameters:
    ///   - requestGuard: the connection's own, in front of this.
    ///   - certificate: what the other end shows; nil: it was not asked.
    init(
        _ direct: DirectIngest,
        behind requestGuard: RequestGuard,
        showing certificate: PeerCertificate?,
        on eventLoop: any EventLoop
    ) {
        self.direct = direct
        self.certificate = certificate
        self.requestGuard = requestGuard
        desk = direct.desk(on: eventLoop)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        peer = context.remoteAddress.flatMap(IPAddress.init)
        encoder = try? context.pipeline.syncOperations.context(handlerType: HTTPResponseEncoder.self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        encoder = nil
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        receive(unwrapInboundIn(data), context)
    }

    private func receive(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        switch (state, part) {
        case (.storing, _):
            held.append(part)
        case (.passing, .head(let head)):
            // A sender that reads no answers gets no more of them kept for it: Hummingbird waits until it does.
            if passedOn == 0, context.channel.isWritable, let request = DirectRequest(head) {
                state = .collecting(request)
            } else {
                passOn(part, context)
            }
        case (.passing, _):
            passOn(part, context)
        case (.collecting(var request), .body(let bytes)):
            state = .passing
            request.append(bytes)
            state = .collecting(request)
        case (.collecting(let request), .end(nil)):
            state = .passing
            store(request, context)
        case (.collecting(let request), _):
            state = .passing
            passOn(request, context)
            passOn(part, context)
        }
    }

    private func store(_ request: DirectRequest, _ context: ChannelHandlerContext) {
        guard let (read, arrival) = direct.read(request, from: peer, showing: certificate) else {
            passOn(request, context)
            return passOn(.end(nil), context)
        }
        var intake = read
        let (desk, handler) = (desk, NIOLoopBound(self, eventLoop: context.eventLoop))
        let batch = intake.takeBatch()
        state = .storing(DirectSubmission(intake, arrival))
        closesAfterAnswer = request.closes
        let submission = Lanes.Submission(
            batch.records,
            tenant: intake.context.source.tenant,
            deadline: .now + intake.context.requestDeadline,
            body: batch.body
        ) { desk.leave($0, for: handler) }
        desk.submit(submission)
    }

    private func passOn(_ request: DirectRequest, _ context: ChannelHandlerContext) {
        passOn(.head(request.head), context)
        if let body = request.body { passOn(.body(body), context) }
    }

    private func passOn(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        if case .head = part { passedOn += 1 }
        hasPassedOn = true
        context.fireChannelRead(wrapInboundOut(part))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard hasPassedOn else { return }
        hasPassedOn = false
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        held = []
        heldError = nil
        heldClose?.promise?.succeed()
        heldClose = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case .storing = state {
            heldError = heldError ?? error
        } else {
            if case .collecting(let request) = state {
                state = .passing
                passOn(request, context)
            }
            context.fireErrorCaught(error)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch (state, event) {
        case (.storing, is ChannelShouldQuiesceEvent):
            // The answer says that the connection closes, and then it does.
            closesAfterAnswer = true
        case (.collecting(let request), is ChannelShouldQuiesceEvent):
            state = .passing
            passOn(request, context)
            context.fireUserInboundEventTriggered(event)
        default:
            context.fireUserInboundEventTriggered(event)
        }
    }

    // MARK: Answers

    /// The records have their outcomes.
    func answer(_ outcome: ReplyDesk.Outcome) {
        guard case .storing(let submission) = state else { return }
        state = .passing
        let reply = submission.settle(outcome, direct.routes.metrics)
        let arrival = submission.arrival
        direct.note(arrival, reply)
        // The sender may be gone.
        guard let context, context.channel.isActive else { return }
        guard let reply else { return context.close(promise: nil) }
        send(reply, requestID: arrival.requestID, context)
        release(context)
    }

    /// Written in one piece, past the encoder: nothing in it comes from a request.
    private func send(_ reply: Reply, requestID: String, _ context: ChannelHandlerContext) {
        var buffer = context.channel.allocator.buffer(capacity: 256 + reply.body.readableBytes)
        desk.write(reply, requestID: requestID, closes: closesAfterAnswer, into: &buffer)
        encoder?.writeAndFlush(NIOAny(IOData.byteBuffer(buffer)), promise: nil)
        requestGuard.answered(closes: closesAfterAnswer)
    }

    /// Goes on with what came meanwhile, as far as it can.
    private func release(_ context: ChannelHandlerContext) {
        let parts = closesAfterAnswer ? [] : held
        held = []
        for part in parts { receive(part, context) }
        if case .storing = state { return }
        if hasPassedOn { channelReadComplete(context: context) }
        if let error = heldError {
            heldError = nil
            context.fireErrorCaught(error)
        }
        if let close = heldClose {
            heldClose = nil
            context.close(mode: close.mode, promise: close.promise)
        }
        if holdsRead {
            holdsRead = false
            context.read()
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { passedOn -= 1 }
        context.write(data, promise: promise)
    }

    func read(context: ChannelHandlerContext) {
        guard held.isEmpty else { return holdsRead = true }
        context.read()
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard case .storing = state, mode != .input, context.channel.isActive else {
            return context.close(mode: mode, promise: promise)
        }
        // Of several, one is done, the whole one if there is one, and each is told.
        guard let earlier = heldClose else { return heldClose = (mode, promise) }
        if let kept = earlier.promise { kept.futureResult.cascade(to: promise) }
        heldClose = (earlier.mode == .all ? .all : mode, earlier.promise ?? promise)
    }
}
