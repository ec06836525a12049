import EventCore
import EventStore
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import Postgres

/// Where errors become HTTP, once for all routes; every answer carries the request's id.
struct ProblemMiddleware: RouterMiddleware {
    func handle(
        _ request: Request,
        context: APIContext,
        next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        let requestID = context.id
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            response = problem(for: error, context: context).reply(requestID: requestID).response
        }
        // An error's body is written by this, so its length stands here; the body itself would be taken for the next answer.
        if request.method == .head { response = response.createHeadResponse() }
        if let name = RequestName.header { response.headers[name] = requestID }
        return response
    }

    /// The client's side of the connection broke, or what came over it is no HTTP: nobody's fault here.
    static func isConnectionFault(_ error: any Error) -> Bool {
        error is HTTPParserError || error is ChannelError || error is IOError || error is BoringSSLError
            || error is NIOSSLCloseTimedOutError
    }

    /// Errors of ours are made to be logged; of others only the kind is known to hold no payload.
    static func loggable(_ error: any Error) -> String {
        switch error {
        case let error as PostgresError: "\(error)"
        case let error as StoreError: "\(error)"
        case let error as EngineError: "\(error)"
        case let error as Problem: error.code
        default: "\(type(of: error))"
        }
    }

    /// The route as it is written in the route table, `/hooks/{key}`: never the path that was asked for, which may hold a key.
    private static func metadata(_ error: any Error, _ context: APIContext) -> Logger.Metadata {
        ["error": "\(loggable(error))", "route": "\(context.endpointPath ?? "-")"]
    }

    private func problem(for error: any Error, context: APIContext) -> Problem {
        switch error {
        case let problem as Problem:
            return problem
        case is NIOTooManyBytesError:
            return Problem(.contentTooLarge, .tooLarge, "The body is larger than this server takes.")
        case _ where Self.isConnectionFault(error):
            return Problem(.badRequest, .brokenBody, "The request's body broke off, or is not HTTP.", headers: [.connection: "close"])
        case is PostgresError, is StoreError, is SchemaError:
            context.logger.error("The database failed a request", metadata: Self.metadata(error, context))
            return .unavailable()
        case let error as any HTTPResponseError where error.status == .notFound:
            return .notFound
        case let error as any HTTPResponseError:
            return Problem(error.status, .httpError, error.status.reasonPhrase)
        case is CancellationError:
            return .unavailable()
        default:
            context.logger.error("A request failed", metadata: Self.metadata(error, context))
            return Problem(.internalServerError, .internalError, "Something went wrong on this side; nothing was acknowledged.")
        }
    }
}
