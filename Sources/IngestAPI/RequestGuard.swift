import HTTPTypes
import NIOCore
import NIOHTTP1

/// Keeps a connection within its time: answers 408 and closes it when a request's body comes too slowly, and closes it when
/// no request comes at all.
///
/// Of a body only the time spent waiting for the sender counts. While the server itself is busy with what it has, it asks for no
/// more (back-pressure), and that is nobody's fault.
final class RequestGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// What a body that takes longer than the deadline must keep up.
    static let minimumBytesPerSecond = 64 * 1024

    private let deadline: TimeAmount
    private let idleTimeout: TimeAmount
    private var context: ChannelHandlerContext?
    private var isReadingBody = false
    /// Requests whose answer is not out yet: with pipelining there may be several.
    private var unanswered = 0
    private var closesAfterAnswer = false
    private var isClosing = false
    /// An answer's head is out, and its end is not.
    private var isAnswering = false
    /// What was written so far and what of it was still unread, at the last look; nil when all was read.
    private var unread: Unread?
    private var partsWritten = 0
    private var timer: Scheduled<Void>?
    private var idleTimer: Scheduled<Void>?
    private var lastActivity = NIODeadline.now()
    private var bodyBytes = 0
    /// Time spent waiting for this body, and since when it is waited for now.
    private var waited = TimeAmount.zero
    private var waitingSince: NIODeadline?

    /// By the event loop's clock.
    private var now: NIODeadline { context?.eventLoop.now ?? .now() }

    private struct Unread: Equatable {
        let bytes: Int
        let partsWritten: Int
    }

    init(deadline: TimeAmount, idleTimeout: TimeAmount) {
        self.deadline = deadline
        self.idleTimeout = idleTimeout
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        lastActivity = now
        scheduleIdleCheck(context, after: idleTimeout)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        stopTimers()
    }

    func channelInactive(context: ChannelHandlerContext) {
        stopTimers()
        context.fireChannelInactive()
    }

    func read(context: ChannelHandlerContext) {
        if isReadingBody, waitingSince == nil { waitingSince = now }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // What comes after the last answer is nobody's.
        guard !isClosing else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            isReadingBody = true
            if unanswered == 0, Self.isToContinue(head) {
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
            }
            unanswered += 1
            bodyBytes = 0
            waited = .zero
            waitingSince = now
        case .body(let bytes):
            bodyBytes += bytes.readableBytes
            stopWaiting()
        case .end:
            stopWaiting()
            isReadingBody = false
            stopTimer()
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        partsWritten &+= 1
        switch unwrapOutboundIn(data) {
        case .head(let head):
            if head.headers.first(name: "connection") == "close" { closesAfterAnswer = true }
            isAnswering = head.status.code >= 200
            context.write(data, promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            if closesAfterAnswer { context.writeAndFlush(data, promise: promise) } else { context.write(data, promise: promise) }
            answered(closes: closesAfterAnswer)
        }
    }

    /// A request's answer is out.
    ///
    /// - Parameter closes: it says that it is the connection's last.
    func answered(closes: Bool) {
        unanswered -= 1
        isAnswering = false
        lastActivity = now
        if closes, let context { closeGently(context) }
    }

    /// Most bodies are whole by now, and need no timer.
    func channelReadComplete(context: ChannelHandlerContext) {
        if isReadingBody, timer == nil { schedule(context, after: deadline) }
        context.fireChannelReadComplete()
    }

    /// A sender that can only be given a URL is told nothing before it is known whether its event can be stored: it sends the
    /// body all the same after a while (RFC 9110, 10.1.1).
    private static func isToContinue(_ head: HTTPRequestHead) -> Bool {
        guard head.version == .http1_1, head.headers.first(name: "expect")?.lowercased() == "100-continue" else { return false }
        return !head.uri.hasPrefix("/hooks") && !head.uri.hasPrefix("/privileges")
    }

    private func stopTimer() {
        timer?.cancel()
        timer = nil
    }

    private func stopTimers() {
        stopTimer()
        idleTimer?.cancel()
        idleTimer = nil
    }

    private func stopWaiting() {
        if let since = waitingSince { waited = waited + (now - since) }
        waitingSince = nil
    }

    private func schedule(_ context: ChannelHandlerContext, after delay: TimeAmount) {
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: delay) { self.check(context) }
    }

    private func check(_ context: ChannelHandlerContext) {
        guard isReadingBody else { return }
        let total = waitingSince.map { waited + (now - $0) } ?? waited
        let isSlow = total >= deadline && bodyBytes / Self.minimumBytesPerSecond < Int(total.nanoseconds / 1_000_000_000)
        guard isSlow else { return schedule(context, after: .seconds(1)) }
        // While an earlier request waits for its answer, this one's would be taken for it.
        guard unanswered == 1, !isAnswering else { return context.close(promise: nil) }
        answerTooSlow(context)
        closeGently(context)
    }

    private func scheduleIdleCheck(_ context: ChannelHandlerContext, after delay: TimeAmount) {
        idleTimer = context.eventLoop.assumeIsolated().scheduleTask(in: delay) { self.checkIdle(context) }
    }

    private func checkIdle(_ context: ChannelHandlerContext) {
        let silence = now - lastActivity
        let bytes = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        let left = bytes > 0 ? Unread(bytes: bytes, partsWritten: partsWritten) : nil
        // Nothing of an answer was read between two looks. Who reads slowly, but reads, has all the time.
        if left != nil, left == unread { return context.close(promise: nil) }
        if left == nil, unanswered == 0, silence >= idleTimeout { return context.close(promise: nil) }
        unread = left
        scheduleIdleCheck(context, after: left != nil || unanswered > 0 ? idleTimeout : idleTimeout - silence)
    }

    /// Whoever ends our side has answered all that it will.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .output, !isClosing else {
            // Under TLS it takes a moment, in which more may come.
            if mode == .all { isClosing = true }
            return context.close(mode: mode, promise: promise)
        }
        closeGently(context, promise)
    }

    /// Ends our side, so that the answer is read before the sender learns that the rest of what it sends is unwanted.
    private func closeGently(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>? = nil) {
        isClosing = true
        stopTimer()
        let ended = promise ?? context.eventLoop.makePromise(of: Void.self)
        // A large answer is still on its way by now: the sender's second begins when the system has all of it.
        ended.futureResult.assumeIsolated().whenComplete { _ in
            guard self.context != nil else { return }
            self.timer = context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { context.close(promise: nil) }
        }
        context.close(mode: .output, promise: ended)
    }

    private func answerTooSlow(_ context: ChannelHandlerContext) {
        let reply = Problem(.requestTimeout, .tooSlow, "The body did not come in time.").reply(requestID: nil)
        var head = HTTPResponseHead(reply)
        head.headers.add(name: "connection", value: "close")
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(reply.body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}

extension HTTPResponseHead {
    init(_ reply: Reply) {
        var headers = HTTPHeaders(reply.headers.map { ($0.name.rawName, $0.value) })
        headers.add(name: "content-length", value: String(reply.body.readableBytes))
        self.init(version: .http1_1, status: HTTPResponseStatus(statusCode: reply.status.code), headers: headers)
    }
}
