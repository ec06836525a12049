import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Answers 408 and closes the connection when a request's body comes too slowly.
///
/// Only the time spent waiting for the sender counts. While the server itself is busy with what it has, it asks for no
/// more (back-pressure), and that is nobody's fault. Connections without a request are ended by Hummingbird's idle timeout.
final class RequestGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// What a body that takes longer than the deadline must keep up.
    static let minimumBytesPerSecond = 64 * 1024

    private let deadline: TimeAmount
    private var isReadingBody = false
    /// Requests whose answer is not out yet: with pipelining there may be several.
    private var unanswered = 0
    private var closesAfterAnswer = false
    private var isClosing = false
    private var timer: Scheduled<Void>?
    private var bodyBytes = 0
    /// Time spent waiting for this body, and since when it is waited for now.
    private var waited = TimeAmount.zero
    private var waitingSince: NIODeadline?

    init(deadline: TimeAmount) {
        self.deadline = deadline
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func read(context: ChannelHandlerContext) {
        if isReadingBody, waitingSince == nil { waitingSince = .now() }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            isReadingBody = true
            if head.headerFields[.expect]?.lowercased() == "100-continue", unanswered == 0 {
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            }
            unanswered += 1
            bodyBytes = 0
            waited = .zero
            waitingSince = .now()
        case .body(let bytes):
            bodyBytes += bytes.readableBytes
            stopWaiting()
        case .end:
            stopWaiting()
            isReadingBody = false
            if !isClosing { stopTimer() }
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            if head.headerFields[.connection] == "close" { closesAfterAnswer = true }
            context.write(data, promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            unanswered -= 1
            guard closesAfterAnswer else { return context.write(data, promise: promise) }
            context.writeAndFlush(data, promise: promise)
            closeGently(context)
        }
    }

    /// Most bodies are whole by now, and need no timer.
    func channelReadComplete(context: ChannelHandlerContext) {
        if isReadingBody, timer == nil { schedule(context, after: deadline) }
        context.fireChannelReadComplete()
    }

    private func stopTimer() {
        timer?.cancel()
        timer = nil
    }

    private func stopWaiting() {
        if let since = waitingSince { waited = waited + (.now() - since) }
        waitingSince = nil
    }

    private func schedule(_ context: ChannelHandlerContext, after delay: TimeAmount) {
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: delay) { self.check(context) }
    }

    private func check(_ context: ChannelHandlerContext) {
        guard isReadingBody else { return }
        let total = waitingSince.map { waited + (.now() - $0) } ?? waited
        let isSlow = total >= deadline && bodyBytes / Self.minimumBytesPerSecond < Int(total.nanoseconds / 1_000_000_000)
        guard isSlow else { return schedule(context, after: .seconds(1)) }
        // While an earlier request waits for its answer, this one's would be taken for it.
        guard unanswered == 1 else { return context.close(promise: nil) }
        answerTooSlow(context)
        closeGently(context)
    }

    /// Ends our side, so that the answer is read before the sender learns that the rest of what it sends is unwanted.
    private func closeGently(_ context: ChannelHandlerContext) {
        isClosing = true
        context.close(mode: .output, promise: nil)
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { context.close(promise: nil) }
    }

    private func answerTooSlow(_ context: ChannelHandlerContext) {
        let problem = Problem(.requestTimeout, "too_slow", "The body did not come in time.")
        let body = problem.json(requestID: nil)
        let headers: HTTPFields = [
            .contentType: "application/problem+json", .contentLength: String(body.readableBytes), .connection: "close",
        ]
        context.write(wrapOutboundOut(.head(HTTPResponse(status: .requestTimeout, headerFields: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(body)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}
