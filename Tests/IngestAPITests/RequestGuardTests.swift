import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import IngestAPI

/// When connections end, by a clock of their own.
@Suite struct RequestGuardTests {
    /// The sender's side: nothing is read before the test says so.
    private final class Wire: ChannelOutboundHandler {
        typealias OutboundIn = HTTPServerResponsePart
        typealias OutboundOut = ByteBuffer

        var isRead = true
        private(set) var ended: EventLoopPromise<Void>?

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            guard case .body(.byteBuffer(let bytes)) = unwrapOutboundIn(data) else { return promise?.succeed() ?? () }
            context.write(wrapOutboundOut(bytes), promise: promise)
        }

        func flush(context: ChannelHandlerContext) {
            if isRead { context.flush() }
        }

        func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
            guard mode == .output else { return context.close(mode: mode, promise: promise) }
            ended = promise
        }
    }

    private struct Scene {
        let channel: EmbeddedChannel
        let wire: Wire
        let loop: EmbeddedEventLoop

        init() throws {
            loop = EmbeddedEventLoop()
            wire = Wire()
            channel = EmbeddedChannel(handlers: [wire, RequestGuard(deadline: .seconds(10), idleTimeout: .seconds(60))], loop: loop)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        }

        func ask() throws {
            try channel.writeInbound(HTTPServerRequestPart.head(HTTPRequestHead(version: .http1_1, method: .GET, uri: "/v1/export")))
            try channel.writeInbound(HTTPServerRequestPart.end(nil))
        }

        func begin(closing: Bool = false) {
            let headers: HTTPHeaders = closing ? ["connection": "close"] : [:]
            channel.write(HTTPServerResponsePart.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)), promise: nil)
        }

        func send(_ bytes: Int = 100_000) {
            let part = HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(repeating: 0x20, count: bytes)))
            channel.writeAndFlush(part, promise: nil)
        }

        func end() { channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil) }

        func pass(_ time: TimeAmount) { loop.advanceTime(by: time) }
    }

    @Test func letsASlowReaderFinishAnAnswerWithoutEnd() throws {
        let scene = try Scene()
        try scene.ask()
        scene.begin()
        scene.wire.isRead = false
        // Whenever it is looked at, something is unread; each time it is something else.
        for _ in 0..<20 {
            scene.send()
            scene.pass(.seconds(60))
            #expect(scene.channel.isActive)
        }
        // Now it has stopped.
        scene.pass(.seconds(121))
        #expect(!scene.channel.isActive)
    }

    @Test func letsASlowReaderFinishAnAnswerThatIsWhole() throws {
        let scene = try Scene()
        scene.wire.isRead = false
        try scene.ask()
        scene.begin()
        scene.send()
        scene.end()
        scene.pass(.seconds(61))
        #expect(scene.channel.isActive, "it has a minute between two looks to read something")
        scene.wire.isRead = true
        scene.channel.flush()
        scene.pass(.seconds(61))
        #expect(!scene.channel.isActive, "nothing is unread and nothing was asked for a long time")
    }

    @Test func endsItsSideGentlyOnlyOnceTheAnswerIsOut() throws {
        let scene = try Scene()
        scene.wire.isRead = false
        try scene.ask()
        scene.begin(closing: true)
        scene.send()
        scene.end()
        let ended = try #require(scene.wire.ended)
        scene.pass(.seconds(30))
        #expect(scene.channel.isActive, "the answer is on its way")
        ended.succeed()
        scene.pass(.milliseconds(900))
        #expect(scene.channel.isActive, "the sender's side has a second")
        scene.pass(.milliseconds(200))
        #expect(!scene.channel.isActive)
    }

    @Test func closesWhatIsIdle() throws {
        let scene = try Scene()
        scene.pass(.seconds(59))
        #expect(scene.channel.isActive)
        scene.pass(.seconds(2))
        #expect(!scene.channel.isActive)
    }
}
