import Access
import EventCore
import EventStore
import Hummingbird

/// `GET /v1/events` and `GET /v1/events/{id}`: one tenant's events, newest first.
struct EventRoutes: Sendable {
    let reader: EventReader
    let cursors: CursorSource
    let requestDeadline: Duration

    private static let parameters: Set<String> = ["from", "to", "type", "actor", "machine", "source", "limit", "cursor"]

    func list(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        let schemas = try await reader.schemas(of: grant.tenant)
        let names = schemas.fieldNames
        let asked = Set(names.flatMap { name in FieldFilter.Comparison.allCases.map { $0.parameter(of: name) } })
        let parameters = try QueryParameters(request, allowed: Self.parameters.union(asked))
        let filter = EventFilter(
            from: try parameters.timestamp("from"),
            to: try parameters.timestamp("to"),
            type: try parameters.text("type"),
            actor: try parameters.text("actor"),
            machine: try parameters.text("machine"),
            source: try parameters.text("source"),
            fields: try Self.fields(names, parameters, schemas)
        )
        let limit = try parameters.integer("limit", in: 1...1000) ?? 100
        let deadline = ContinuousClock.now + requestDeadline
        let codec = try await cursors.codec(deadline: deadline)
        var after: EventPosition?
        if let cursor = try parameters.text("cursor") {
            after = codec.decode(cursor, tenant: grant.tenant, filter: filter)
            guard after != nil else {
                throw Problem(.badRequest, "invalid_cursor", "This cursor was changed, or belongs to other filters.")
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
        var json = JSONWriter()
        json.object { json in
            json.member("data") { json in
                json.array { json in
                    for event in page.events { json.element { $0.event(event) } }
                }
            }
            json.member("next_cursor", page.next.map { codec.encode($0, tenant: grant.tenant, filter: filter) })
        }
        return Reply.json(json.buffer).response
    }

    /// `<field>=`, `<field>.min=` and `<field>.max=`, in a fixed order.
    private static func fields(_ names: Set<String>, _ parameters: QueryParameters, _ schemas: TenantSchemas) throws -> [FieldFilter] {
        var filters: [FieldFilter] = []
        for name in names.sorted() {
            for comparison in FieldFilter.Comparison.allCases {
                let parameter = comparison.parameter(of: name)
                guard let text = try parameters.text(parameter) else { continue }
                let filter = FieldFilter(field: name, comparison: comparison, text: text)
                do {
                    _ = try schemas.query(filter)
                } catch let error as StoreError {
                    throw Problem(.badRequest, "invalid_parameter", "The parameter \(parameter): \(error.description).")
                }
                filters.append(filter)
            }
        }
        return filters
    }

    func one(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        try request.refuseQueryParameters()
        let absent = Problem(.notFound, "no_such_event", "There is no such event.")
        guard let id = context.parameters.get("id").flatMap({ EventID($0) }) else { throw absent }
        let event = try await reader.event(
            id,
            of: grant.tenant,
            retentionDays: grant.retentionDays,
            now: .now(),
            deadline: .now + requestDeadline
        )
        guard let event else { throw absent }
        var json = JSONWriter()
        json.event(event)
        return Reply.json(json.buffer).response
    }
}

extension FieldFilter.Comparison {
    func parameter(of field: String) -> String {
        switch self {
        case .equals: field
        case .min: "\(field).min"
        case .max: "\(field).max"
        }
    }
}

extension JSONWriter {
    mutating func event(_ event: StoredEvent) {
        object { json in
            json.member("id", event.id.description)
            json.member("occurred_at", event.occurredAt.rfc3339())
            json.member("received_at", event.receivedAt.rfc3339())
            json.member("source", event.source)
            json.member("schema", event.schema.map { "\($0.name) \($0.version)" })
            json.member("type", event.type)
            json.member("actor", event.actor)
            json.member("machine", event.machine)
            json.member("fields", json: event.fields)
            json.member("extra", json: event.extra)
        }
    }
}
