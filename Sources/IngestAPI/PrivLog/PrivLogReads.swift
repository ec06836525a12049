import Access
import EventCore
import EventStore
import HTTPTypes
import Hummingbird

/// PrivLog's three reads: a bare list of everything that matches, oldest first, in PrivLog's names.
///
/// The list is as long as it is: it goes out page by page, as an export does.
struct PrivLogReads: Sendable {
    /// The schema field that holds PrivLog's `custom_serial`.
    private static let serialField = "serial"

    let reader: EventReader
    /// For each page.
    let requestDeadline: Duration

    func bySerial(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        try request.refuseQueryParameters()
        let serial = Self.value(context)
        let filter = FieldFilter(field: Self.serialField, comparison: .equals, text: serial)
        let schemas = try await reader.schemas(of: grant.tenant)
        guard Self.isStorable(serial), schemas.canHold(filter) else { return Reply.json(Self.none).response }
        return try await list(EventFilter(fields: [filter], order: .oldestFirst), grant, schemas)
    }

    func byUser(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        try request.refuseQueryParameters()
        let user = Self.value(context)
        guard Self.isStorable(user) else { return Reply.json(Self.none).response }
        return try await list(EventFilter(actor: user, order: .oldestFirst), grant, reader.schemas(of: grant.tenant))
    }

    /// From `start` to `end`, both included; a time without a zone is UTC.
    func byTime(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        let parameters = try QueryParameters(request, allowed: ["start", "end"])
        let start = try Self.time("start", parameters)
        let end = try Self.time("end", parameters)
        let past = Timestamp(microsecondsSince1970: end.microsecondsSince1970 + 1)
        return try await list(EventFilter(from: start, to: past, order: .oldestFirst), grant, reader.schemas(of: grant.tenant))
    }

    private func list(_ filter: EventFilter, _ grant: Grant, _ schemas: TenantSchemas) async throws -> Response {
        let export = EventExport(
            reader,
            of: grant.tenant,
            retentionDays: grant.retentionDays,
            filter: filter,
            schemas: schemas,
            lines: .privLog
        )
        var response = try await BodyOfPages.response(export, isGzip: false, deadline: requestDeadline)
        response.headers[.contentType] = "application/json"
        return response
    }

    private static let none = { () in
        var json = JSONWriter()
        json.array { _ in }
        return json.buffer
    }()

    private static func value(_ context: APIContext) -> String {
        context.parameters.get("v").flatMap { QueryParameters.decode($0[...]) } ?? ""
    }

    /// Anything else is the value of no event.
    private static func isStorable(_ text: String) -> Bool {
        !text.isEmpty && !text.utf8.contains(0)
    }

    /// PrivLog's status for a parameter that is missing or of the wrong type.
    private static func time(_ name: String, _ parameters: QueryParameters) throws -> Timestamp {
        guard let text = try parameters.text(name), let time = Timestamp(rfc3339: text) else {
            throw Problem(.unprocessableContent, .invalidParameter, "The parameter \(name) is a time like 2026-11-07T00:00:00.")
        }
        return time
    }
}
