import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import TestSupport

/// One TLS connection to a test's server: stays open, says what it is told to say, keeps what comes back.
final class TLSConnection: Sendable {
    struct Answer: Sendable {
        let status: Int
        let head: String
        let body: String

        var json: JSONValue { JSONValue(body) }
    }

    struct Failed: Error {
        let what: String
    }

    private final class Received: Sendable {
        let bytes = Mutex<[UInt8]>([])
        let isClosed = Mutex(false)
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let received: Received

        init(_ received: Received) {
            self.received = received
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received.bytes.withLock { $0 += Array(buffer: unwrapInboundIn(data)) }
        }

        func channelInactive(context: ChannelHandlerContext) {
            received.isClosed.withLock { $0 = true }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }

    private let channel: any Channel
    private let received: Received

    private init(_ channel: any Channel, _ received: Received) {
        self.channel = channel
        self.received = received
    }

    /// - Parameters:
    ///   - authority: whose certificate the server must have.
    ///   - identity: shown when the server asks for a certificate.
    static func open(
        port: Int,
        trusting authority: TestAuthority,
        showing identity: TestIdentity? = nil,
        version: TLSVersion? = nil
    ) async throws -> TLSConnection {
        var configuration = try configuration(trusting: authority, showing: identity)
        if let version { configuration.maximumTLSVersion = version }
        let context = try NIOSSLContext(configuration: configuration)
        let received = Received()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(10))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(NIOSSLClientHandler(context: context, serverHostname: "localhost"))
                    try channel.pipeline.syncOperations.addHandler(Collector(received))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return TLSConnection(channel, received)
    }

    static func configuration(trusting authority: TestAuthority, showing identity: TestIdentity? = nil) throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates([try NIOSSLCertificate(bytes: Array(authority.pem.utf8), format: .pem)])
        if let identity {
            configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(identity.chainPEM.utf8)).map { .certificate($0) }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(identity.keyPEM.utf8), format: .pem))
        }
        return configuration
    }

    /// Sends a request and waits for its answer.
    func send(_ method: String, _ path: String, body: String = "", headers: [String] = []) async throws -> Answer {
        try await write(Self.request(method, path, body: body, headers: headers))
        return try await answer()
    }

    static func request(_ method: String, _ path: String, body: String = "", headers: [String] = []) -> String {
        let lines = ["\(method) \(path) HTTP/1.1", "Host: localhost", "Content-Length: \(body.utf8.count)"] + headers
        return lines.joined(separator: "\r\n") + "\r\n\r\n" + body
    }

    func write(_ text: String) async throws {
        try await channel.writeAndFlush(ByteBuffer(string: text)).get()
    }

    /// The next answer, taken out of what has come.
    func answer() async throws -> Answer {
        var found: Answer?
        _ = try await eventually(within: .seconds(30)) {
            found = self.received.bytes.withLock { Self.takeAnswer(&$0) }
            return found != nil || self.received.isClosed.withLock { $0 }
        }
        guard let found else { throw Failed(what: "closed without an answer") }
        return found
    }

    private static func takeAnswer(_ bytes: inout [UInt8]) -> Answer? {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.range(of: "\r\n\r\n") else { return nil }
        let head = String(text[..<end.lowerBound])
        let length =
            head.lowercased().split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
            .flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) } ?? 0
        let start = head.utf8.count + 4
        guard bytes.count >= start + length else { return nil }
        let body = String(decoding: bytes[start..<(start + length)], as: UTF8.self)
        bytes.removeFirst(start + length)
        return Answer(status: Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0, head: head, body: body)
    }

    /// What comes until the server closes the connection.
    func readToEnd() async throws -> String {
        guard try await eventually(within: .seconds(30), { self.received.isClosed.withLock { $0 } }) else {
            throw Failed(what: "the connection was not closed")
        }
        return String(decoding: received.bytes.withLock { $0 }, as: UTF8.self)
    }

    /// The serial number of the certificate that the server has shown.
    var serverSerial: [UInt8] {
        get async throws {
            var serial: [UInt8] = []
            // Known once both have shaken hands.
            _ = try await eventually(within: .seconds(10)) {
                serial = try await self.channel.nioSSL_peerCertificate().map { Array(($0?.serialNumber ?? []).drop { $0 == 0 }) }.get()
                return !serial.isEmpty
            }
            return serial
        }
    }

    func close() async {
        try? await channel.close()
    }
}
