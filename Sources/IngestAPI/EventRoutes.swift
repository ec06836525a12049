import Access
import EventCore
import EventStore
import HTTPTypes
import Hummingbird
import NIOCore

/// `GET /v1/events` and `GET /v1/events/{id}`: one tenant's events.
struct EventRoutes: Sendable {
    let reader: EventReader
    let cursors: CursorSource
    let requestDeadline: Duration

    func list(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        let query = try await EventQuery(request, of: grant, reader: reader, besides: ["limit", "cursor"])
        let (parameters, filter) = (query.parameters, query.filter)
        let limit = try parameters.integer("limit", in: 1...1000) ?? 100
        let deadline = ContinuousClock.now + requestDeadline
        let codec = try await cursors.codec(deadline: deadline)
        var after: EventPosition?
        if let cursor = try parameters.text("cursor") {
            after = codec.decode(cursor, tenant: grant.tenant, filter: filter)
            guard after != nil else {
                throw Problem(.badRequest, .invalidCursor, "This cursor was changed, or belongs to other filters.")
            }
        }
        let page = try await reader.page(
            of: grant.tenant,
            retentionDays: grant.retentionDays,
            filter: filter,
            after: after,
            limit: limit,
            now: .now(),
            deadline: deadline
        )
        let next = page.next.map { codec.encode($0, tenant: grant.tenant, filter: filter) }
        var response = Self.response(page, next: next, as: Negotiation.lines(of: request), query.schemas)
        if let next, let link = Self.link { response.headers[link] = "<\(Self.address(of: request, cursor: next))>; rel=\"next\"" }
        response.headers[.vary] = "Accept"
        return response
    }

    private static func response(_ page: EventPage, next: String?, as format: EventFormat?, _ schemas: TenantSchemas) -> Response {
        guard let format else {
            var json = JSONWriter()
            json.object { json in
                json.member("data") { json in
                    json.array { json in
                        for event in page.events { json.element(json: EventJSON.object(event)) }
                    }
                }
                json.member("next_cursor", next)
            }
            return Reply.json(json.buffer).response
        }
        let lines = EventLines(format, fields: schemas.fieldNames)
        var text = lines.header
        for (place, event) in page.events.enumerated() { lines.append(event, isFirst: place == 0, to: &text) }
        return Reply(status: .ok, headers: [.contentType: format.mediaType], body: ByteBuffer(bytes: text)).response
    }

    private static let link = HTTPField.Name("Link")

    /// The same query behind the page.
    private static func address(of request: Request, cursor: String) -> String {
        let others = (request.uri.query ?? "").split(separator: "&").filter { !$0.hasPrefix("cursor=") }
        return request.uri.path + "?" + (others.map(String.init) + ["cursor=\(cursor)"]).joined(separator: "&")
    }

    func one(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        try request.refuseQueryParameters()
        let absent = Problem(.notFound, .noSuchEvent, "There is no such event.")
        guard let id = context.parameters.get("id").flatMap({ EventID($0) }) else { throw absent }
        let event = try await reader.event(
            id,
            of: grant.tenant,
            retentionDays: grant.retentionDays,
            now: .now(),
            deadline: .now + requestDeadline
        )
        guard let event else { throw absent }
        return Reply.json(ByteBuffer(bytes: EventJSON.object(event))).response
    }
}
