import Access
import EventCore
import EventStore
import Foundation
import Hummingbird

/// `GET /v1/quarantine` and `POST /v1/quarantine/replay`: what was refused and why, and trying it again.
struct QuarantineRoutes: Sendable {
    let database: Database
    let cursors: CursorSource
    let requestDeadline: Duration

    private static let filters: Set<String> = ["reason", "source", "from", "to"]

    /// Newest first, without bodies; with `?id=` one record, whole.
    func list(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        let parameters = try QueryParameters(request, allowed: Self.filters.union(["id", "limit", "cursor"]))
        let store = QuarantineStore(TenantAccess(database, grant: grant, context: context))
        let deadline = ContinuousClock.now + requestDeadline
        var filter = try Self.filter(parameters)
        if let text = try parameters.text("id") {
            let found = try await QuarantineNumber(text).mapAsync { try await store.record($0, deadline: deadline) }
            var json = JSONWriter()
            json.object { json in
                json.member("data") { json in
                    json.array { json in if let row = found.flatMap({ $0 }) { json.element { $0.refused(row, withBody: true) } } }
                }
                json.member("next_cursor", nil)
            }
            return Reply.json(json.buffer).response
        }
        filter.id = nil
        let codec = try await cursors.codec(deadline: deadline)
        let page = try await store.page(
            filter,
            after: try Self.position(parameters, codec, filter, grant),
            limit: try parameters.integer("limit", in: 1...1000) ?? 100,
            deadline: deadline
        )
        var json = JSONWriter()
        json.object { json in
            json.member("data") { json in
                json.array { json in for row in page.rows { json.element { $0.refused(row, withBody: false) } } }
            }
            json.member("next_cursor", page.next.map { codec.encode($0, tenant: grant.tenant, filter: filter.cursorFilter) })
        }
        return Reply.json(json.buffer).response
    }

    /// Batch after batch for as long as a request may take; `next_cursor` says where to go on, null that all were tried.
    func replay(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        let parameters = try QueryParameters(request, allowed: Self.filters.union(["limit", "cursor"]))
        let filter = try Self.filter(parameters)
        let limit = try parameters.integer("limit", in: 1...100_000) ?? 100_000
        let start = ContinuousClock.now
        let codec = try await cursors.codec(deadline: start + requestDeadline)
        let replay = QuarantineReplay(TenantAccess(database, grant: grant, context: context))
        var total = QuarantineReplay.Outcome(next: try Self.position(parameters, codec, filter, grant))
        var tried = 0
        repeat {
            let outcome = try await replay.batch(filter, after: total.next, limit: limit - tried, deadline: .now + requestDeadline)
            total.accepted += outcome.accepted
            total.duplicates += outcome.duplicates
            total.refused += outcome.refused
            total.next = outcome.next
            tried = total.accepted + total.duplicates + total.refused
        } while total.next != nil && tried < limit && ContinuousClock.now < start + requestDeadline / 2 && !context.isConnectionClosed
        try await replay.note(total, deadline: .now + requestDeadline)
        var json = JSONWriter()
        json.object { json in
            json.member("accepted", total.accepted)
            json.member("duplicates", total.duplicates)
            json.member("still_refused", total.refused)
            json.member("next_cursor", total.next.map { codec.encode($0, tenant: grant.tenant, filter: filter.cursorFilter) })
        }
        return Reply.json(json.buffer).response
    }

    private static func filter(_ parameters: QueryParameters) throws -> QuarantineFilter {
        QuarantineFilter(
            reason: try parameters.text("reason"),
            source: try parameters.text("source"),
            from: try parameters.timestamp("from"),
            to: try parameters.timestamp("to")
        )
    }

    private static func position(
        _ parameters: QueryParameters,
        _ codec: CursorCodec,
        _ filter: QuarantineFilter,
        _ grant: Grant
    ) throws -> EventPosition? {
        guard let cursor = try parameters.text("cursor") else { return nil }
        guard let position = codec.decode(cursor, tenant: grant.tenant, filter: filter.cursorFilter) else {
            throw Problem(.badRequest, .invalidCursor, "This cursor was changed, or belongs to other filters.")
        }
        return position
    }
}

extension Optional where Wrapped: Sendable {
    fileprivate func mapAsync<T>(_ transform: (Wrapped) async throws -> T) async rethrows -> T? {
        guard let self else { return nil }
        return try await transform(self)
    }
}

extension JSONWriter {
    fileprivate mutating func refused(_ row: QuarantinedRow, withBody: Bool) {
        object { json in
            json.member("id", row.id.description)
            json.member("received_at", row.receivedAt.rfc3339())
            json.member("last_received_at", row.lastReceivedAt.rfc3339())
            json.member("count", row.count)
            json.member("source", row.sourceSlug)
            json.member("schema", row.schema)
            json.member("reason", row.reason.code)
            json.member("pointer", row.reason.pointer)
            json.member("detail", row.reason.detail)
            json.member("bytes", row.size)
            guard withBody else { return }
            if let text = String(validating: row.body, as: UTF8.self) {
                json.member("body", text)
            } else {
                json.member("body_base64", Data(row.body).base64EncodedString())
            }
        }
    }
}
