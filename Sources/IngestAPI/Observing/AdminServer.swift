import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import PrometheusText
import ServiceLifecycle

/// `GET /metrics`, on an address of its own that no sender reaches, and nothing else there.
///
/// While the address is taken, by an older server that is on its way out for instance, it is tried again: metrics are no reason to
/// take no events.
struct AdminServer: Service {
    private static let pause = Duration.seconds(2)

    let address: ListenAddress
    let registry: MetricRegistry
    let logger: Logger

    func run() async throws {
        let page = MetricsPage(registry: registry)
        await cancelWhenGracefulShutdown {
            var hasComplained = false
            while !Task.isCancelled {
                do {
                    try await application(page).run()
                } catch {
                    if !hasComplained, !Task.isCancelled {
                        logger.error(
                            "The admin address cannot be listened on: there are no metrics until it can",
                            metadata: ["address": "\(address.host):\(address.port)", "error": "\(ProblemMiddleware.loggable(error))"]
                        )
                    }
                    hasComplained = true
                }
                try? await Task.sleep(for: Self.pause)
            }
        }
    }

    private func application(_ page: MetricsPage) -> some ApplicationProtocol {
        var quiet = logger
        quiet.logLevel = max(.warning, logger.logLevel)
        return Application(
            responder: page,
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: address.port),
                serverName: "sluice",
                availableConnectionsDelegate: MaximumAvailableConnections(64)
            ),
            logger: quiet
        )
    }
}

/// Prometheus' text format 0.0.4.
struct MetricsPage: HTTPResponder {
    let registry: MetricRegistry

    func respond(to request: Request, context: BasicRequestContext) async throws -> Response {
        guard request.uri.path == "/metrics" else { return Problem.notFound.reply(requestID: nil).response }
        guard request.method == .get || request.method == .head else {
            let problem = Problem(.methodNotAllowed, .methodNotAllowed, "This address takes GET, HEAD.", headers: [.allow: "GET, HEAD"])
            return problem.reply(requestID: nil).response
        }
        let headers: HTTPFields = [.contentType: "text/plain; version=0.0.4; charset=utf-8"]
        let response = Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: registry.text())))
        return request.method == .head ? response.createHeadResponse() : response
    }
}
