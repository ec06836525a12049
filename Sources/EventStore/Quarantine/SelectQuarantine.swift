import EventCore
import Postgres

/// A tenant's quarantined records, by when they were received.
struct SelectQuarantine: Sendable {
    enum Order: Sendable {
        case newestFirst, oldestFirst
    }

    let tenant: TenantID
    let filter: QuarantineFilter
    var order = Order.newestFirst
    var after: EventPosition?
    var withBody = false
    let limit: Int
}

extension SelectQuarantine: QueryStatement {
    var query: Query {
        var builder = QueryBuilder(name: "select_quarantine")
        builder.add("q.tenant_id = ?", key: order == .newestFirst ? "" : "oldest") { $0.append(tenant.rawValue) }
        if let after {
            builder.add("(q.received_at, q.id) \(order == .newestFirst ? "<" : ">") (?, ?)", key: "after") {
                $0.append(after.occurredAt.timestamptz)
                $0.append(after.id.uuid)
            }
        }
        if let from = filter.from { builder.add("q.received_at >= ?", key: "from") { $0.append(from.timestamptz) } }
        if let to = filter.to { builder.add("q.received_at < ?", key: "to") { $0.append(to.timestamptz) } }
        if let id = filter.id { builder.add("q.id = ?", key: "id") { $0.append(UUIDBits(high: id.high, low: id.low)) } }
        if let reason = filter.reason { builder.add("q.reason = ?", key: "reason") { $0.append(reason) } }
        if let source = filter.source {
            builder.add(
                "coalesce((SELECT o.slug FROM sluice.sources o WHERE o.tenant_id = q.tenant_id AND o.source_id = q.source_id), q.source_slug) = ?",
                key: "source"
            ) { $0.append(source) }
        }
        builder.mark(withBody ? "body" : "")
        let limitPlace = builder.bind { $0.append(Int32(clamping: limit)) }
        let direction = order == .newestFirst ? "DESC" : "ASC"
        return builder.query(
            """
            SELECT p.id, p.received_at, p.last_received_at, p.count, p.source_id, coalesce(s.slug, p.source_slug),
                   v.name || ' ' || v.version, p.version_no, p.reason, p.pointer, p.detail, p.profile, p.request_id,
                   octet_length(p.body), \(withBody ? "p.body" : "''::bytea")
            FROM (
                SELECT * FROM sluice.quarantine q
                WHERE \(builder.conditions)
                ORDER BY q.received_at \(direction), q.id \(direction)
                LIMIT \(limitPlace)
            ) p
            LEFT JOIN sluice.sources s ON s.tenant_id = p.tenant_id AND s.source_id = p.source_id
            LEFT JOIN sluice.schemas v ON v.tenant_id = p.tenant_id AND v.version_no = p.version_no
            ORDER BY p.received_at \(direction), p.id \(direction)
            """
        )
    }

    static func decode(_ row: Row) throws(PostgresError) -> QuarantinedRow {
        let id = try row.decode(0, as: UUIDBits.self)
        return QuarantinedRow(
            id: QuarantineNumber(high: id.high, low: id.low),
            receivedAt: try row.timestamp(1),
            lastReceivedAt: try row.timestamp(2),
            count: Int(try row.decode(3, as: Int32.self)),
            source: try row.decodeIfPresent(4, as: Int32.self).map(SourceID.init(rawValue:)),
            sourceSlug: try row.decodeIfPresent(5),
            schema: try row.decodeIfPresent(6),
            versionNumber: try row.decodeIfPresent(7),
            reason: QuarantineReason(code: try row.decode(8), pointer: try row.decodeIfPresent(9), detail: try row.decode(10)),
            profile: try row.decodeIfPresent(11, as: String.self).flatMap(SenderProfile.init(rawValue:)),
            requestID: try row.decodeIfPresent(12),
            size: Int(try row.decode(13, as: Int32.self)),
            body: try row.decode(14, as: Bytea.self).bytes
        )
    }
}

/// Takes records out of quarantine and frees their room; the numbers of those that were there.
struct ReleaseRefused: Statement {
    static let name = "release_refused"
    static let sql = "SELECT id FROM sluice.release_refused($1, $2::timestamptz[], $3::uuid[])"

    let tenant: TenantID
    let rows: [QuarantinedRow]

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.appendArray(of: TimestampTZ.self, rows) { $0.receivedAt.timestamptz }
        bindings.appendArray(of: UUIDBits.self, rows) { UUIDBits(high: $0.id.high, low: $0.id.low) }
    }

    static func decode(_ row: Row) throws(PostgresError) -> QuarantineNumber {
        let id = try row.decode(0, as: UUIDBits.self)
        return QuarantineNumber(high: id.high, low: id.low)
    }
}

/// Writes down why records are refused now.
struct ExplainRefused: Statement {
    static let name = "explain_refused"
    static let sql = """
        SELECT sluice.explain_refused($1, $2::timestamptz[], $3::uuid[], $4::int4[], $5::text[], $6::text[], $7::text[])
        """

    let tenant: TenantID
    let refusals: [QuarantineReplay.Refusal]

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.appendArray(of: TimestampTZ.self, refusals) { $0.row.receivedAt.timestamptz }
        bindings.appendArray(of: UUIDBits.self, refusals) { UUIDBits(high: $0.row.id.high, low: $0.row.id.low) }
        bindings.appendArray(of: Int32.self, refusals) { $0.versionNumber }
        bindings.appendArray(of: String.self, refusals) { $0.reason.code }
        bindings.appendArray(of: String.self, refusals) { $0.reason.pointer.map(KeepRefused.storable) }
        bindings.appendArray(of: String.self, refusals) { KeepRefused.storable($0.reason.detail) }
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

/// As `RecordAct`, for whoever acts through the API too.
struct CallRecordAct: Statement {
    static let name = "call_record_act"
    static let sql = "SELECT sluice.record_act($1, $2, $3, $4, $5, $6)"

    let access: TenantAccess
    let action: String
    let target: String
    let detail: JSONB

    func bind(_ bindings: inout Bindings) {
        bindings.append(access.tenant.rawValue)
        bindings.append(access.actor.name)
        bindings.append(access.actor.address)
        bindings.append(action)
        bindings.append(target)
        bindings.append(detail)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}
