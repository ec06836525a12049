import Crypto
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import SwiftASN1
import Synchronization
import X509

/// An identity provider's web server: `https://localhost`, with a certificate that only `certificateFile` vouches for.
final class KeySetServer: Sendable {
    struct Answer: Sendable {
        var status = HTTPResponseStatus.ok
        var headers: [(String, String)] = []
        var body: String
    }

    let certificateFile: String
    let port: Int
    private let channel: any Channel
    private let state: State

    private final class State: Sendable {
        let answer: Mutex<Answer>
        let requests = Mutex(0)
        init(_ answer: Answer) { self.answer = Mutex(answer) }
    }

    static func start(_ answer: Answer) async throws -> KeySetServer {
        let key = P256.Signing.PrivateKey()
        let certificate = try certificate(key)
        let pem = try certificate.serializeAsPEM().pemString
        let file = FileManager.default.temporaryDirectory.appending(path: "sluice-ca-\(UInt64.random(in: 0 ..< .max)).pem")
            .path(percentEncoded: false)
        try pem.write(toFile: file, atomically: true, encoding: .utf8)
        let tls = TLSConfiguration.makeServerConfiguration(
            certificateChain: [.certificate(try NIOSSLCertificate(bytes: Array(pem.utf8), format: .pem))],
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(key.pemRepresentation.utf8), format: .pem))
        )
        let context = try NIOSSLContext(configuration: tls)
        let state = State(answer)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Responder(state))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return KeySetServer(certificateFile: file, port: channel.localAddress?.port ?? 0, channel: channel, state: state)
    }

    private init(certificateFile: String, port: Int, channel: any Channel, state: State) {
        self.certificateFile = certificateFile
        self.port = port
        self.channel = channel
        self.state = state
    }

    var url: String { "https://localhost:\(port)/jwks" }
    var requests: Int { state.requests.withLock { $0 } }

    func answer(_ answer: Answer) { state.answer.withLock { $0 = answer } }

    func stop() async {
        try? await channel.close()
        try? FileManager.default.removeItem(atPath: certificateFile)
    }

    private static func certificate(_ key: P256.Signing.PrivateKey) throws -> Certificate {
        let name = try DistinguishedName { CommonName("localhost") }
        return try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: Certificate.PublicKey(key.publicKey),
            notValidBefore: Date(timeIntervalSinceNow: -3_600),
            notValidAfter: Date(timeIntervalSinceNow: 3_600),
            issuer: name,
            subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                SubjectAlternativeNames([.dnsName("localhost")])
            },
            issuerPrivateKey: Certificate.PrivateKey(key)
        )
    }

    private final class Responder: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let state: State

        init(_ state: State) { self.state = state }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard case .end = unwrapInboundIn(data) else { return }
            state.requests.withLock { $0 += 1 }
            let answer = state.answer.withLock { $0 }
            var headers = HTTPHeaders(answer.headers)
            headers.add(name: "content-length", value: "\(answer.body.utf8.count)")
            context.write(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: answer.status, headers: headers))),
                promise: nil
            )
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer.body)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
