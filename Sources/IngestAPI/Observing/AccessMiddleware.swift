import HTTPTypes
import Hummingbird
import LogLines

/// Writes every request down that goes through the router; those that go the short way are noted there.
struct AccessMiddleware: RouterMiddleware {
    let ledger: RequestLedger

    func handle(
        _ request: Request,
        context: APIContext,
        next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        var context = context
        if let name = RequestName.taken(from: request.headers) { context.name(name) }
        var response = try await next(request, context)
        let (ledger, named, status) = (ledger, context, Int(response.status.code))
        @Sendable func note(_ bytesOut: Int?) {
            ledger.note(
                RequestRecord(
                    route: ledger.route(request.method, named.endpointPath),
                    status: named.note.isClosed ? nil : status,
                    duration: start.duration(to: .now),
                    requestID: named.id,
                    grant: named.note.grant,
                    address: named.note.address ?? named.peerAddress,
                    bytesIn: request.statedLength,
                    bytesOut: bytesOut,
                    time: LogQueue.now()
                )
            )
        }
        guard response.body.contentLength == nil else {
            note(named.note.isClosed ? 0 : response.body.contentLength)
            return response
        }
        let body = response.body
        // How long it takes is known when all of it is out.
        response.body = ResponseBody { writer in
            defer { note(nil) }
            try await body.write(writer)
        }
        return response
    }
}
