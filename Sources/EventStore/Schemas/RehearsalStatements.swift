import EventCore
import Postgres

/// An accepted event, with all that its record can be rebuilt from.
struct RehearsedEvent: Sendable {
    let id: EventID
    let receivedAt: Timestamp
    let source: SourceID
    let versionNumber: Int32
    let stored: StoredRecord

    var position: EventPosition { EventPosition(occurredAt: stored.occurredAt, id: id) }
}

/// Events of some sources, oldest first.
struct SelectRehearsed: Statement {
    static let name = "select_rehearsed"
    static let sql = """
        SELECT e.id, e.occurred_at, e.received_at, e.source_id, e.version_no, e.type, e.actor, e.machine, e.fields, e.extra
        FROM sluice.events e
        WHERE e.tenant_id = $1 AND e.occurred_at >= $2 AND (e.occurred_at, e.id) > ($2, $3) AND e.source_id = ANY ($4::int4[])
        ORDER BY e.occurred_at, e.id
        LIMIT $5
        """

    let tenant: TenantID
    let after: EventPosition
    let sources: [SourceID]
    let limit: Int

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(after.occurredAt.timestamptz)
        bindings.append(after.id.uuid)
        bindings.appendArray(of: Int32.self, sources) { $0.rawValue }
        bindings.append(Int32(clamping: limit))
    }

    static func decode(_ row: Row) throws(PostgresError) -> RehearsedEvent {
        RehearsedEvent(
            id: EventID(try row.decode(0, as: UUIDBits.self)),
            receivedAt: try row.timestamp(2),
            source: SourceID(rawValue: try row.decode(3)),
            versionNumber: try row.decode(4),
            stored: StoredRecord(
                occurredAt: try row.timestamp(1),
                type: try row.decodeIfPresent(5),
                actor: try row.decodeIfPresent(6),
                machine: try row.decodeIfPresent(7),
                fields: try row.decode(8, as: JSONB.self).bytes,
                extra: try row.decode(9, as: JSONB.self).bytes
            )
        )
    }
}

/// Published versions by their numbers.
struct SchemaDocuments: Statement {
    static let name = "schema_documents"
    static let sql = "SELECT version_no, document FROM sluice.schemas WHERE tenant_id = $1 AND version_no = ANY ($2::int4[])"

    let tenant: TenantID
    let numbers: [Int32]

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.appendArray(of: Int32.self, numbers) { $0 }
    }

    static func decode(_ row: Row) throws(PostgresError) -> (number: Int32, document: String) {
        (try row.decode(0), try row.decode(1))
    }
}
