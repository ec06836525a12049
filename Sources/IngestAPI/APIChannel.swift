import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1

/// HTTP/1.1 as this server speaks it: guarded, with the direct way for plain ingest in front of Hummingbird, whose requests are
/// handled on their connection's own event loop.
///
/// On the shared pool every request changes threads twice between reading and answering; here it does so only for the
/// database. (docs/performance.md) Nothing that a handler does may block: what waits for PostgreSQL does so on its connection's thread. Nor may
/// it take long: long bodies are read, and exports written, on the shared pool, or the loop's other connections would wait.
struct APIChannel: ServerChildChannel {
    struct Settings: Sendable {
        /// How long a body may keep the server waiting.
        var bodyDeadline: TimeAmount
        var idleTimeout = TimeAmount.seconds(60)
        var maximumHeaderField = 16 << 10
        var maximumHeaders = 64 << 10
        var maximumHeaderCount = 128
    }

    let base: HTTP1Channel
    let settings: Settings
    let direct: DirectIngest
    /// Nil: plain HTTP.
    var tls: TLSEntrance?

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        channel.eventLoop.makeCompletedFuture {
            var limits = NIOHTTPDecoderLimitConfiguration()
            limits.maxHeaderFieldSize = settings.maximumHeaderField
            limits.maxHeaderListSize = settings.maximumHeaders
            limits.maxHeaderFieldCount = settings.maximumHeaderCount
            let pipeline = channel.pipeline.syncOperations
            let certificate = try tls?.add(to: pipeline, logger: logger)
            // Requests that follow each other without waiting are kept in order by who answers them; what answers hold is
            // checked where it is made.
            try pipeline.configureHTTPServerPipeline(
                withPipeliningAssistance: false,
                withErrorHandling: false,
                withOutboundHeaderValidation: false,
                withEncoderConfiguration: .init(),
                withDecoderLimitConfiguration: limits
            )
            let requestGuard = RequestGuard(deadline: settings.bodyDeadline, idleTimeout: settings.idleTimeout)
            try pipeline.addHandler(requestGuard)
            try pipeline.addHandler(DirectIngestHandler(direct, behind: requestGuard, showing: certificate, on: channel.eventLoop))
            try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: tls != nil))
            try pipeline.addHandler(HTTPConnectionStateHandler(logger: logger))
            return try NIOAsyncChannel(
                wrappingChannelSynchronously: channel,
                configuration: .init(isOutboundHalfClosureEnabled: true)
            )
        }
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async {
        let certificate = await tls?.certificate(of: value.channel)
        await withTaskExecutorPreference(EventLoopExecutor(value.channel.eventLoop)) {
            await PeerCertificate.$ofThisConnection.withValue(certificate) {
                await base.handle(value: value, logger: logger)
            }
        }
    }
}

/// Runs a connection's tasks on its event loop.
private final class EventLoopExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
