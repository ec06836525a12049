import EventCore
import Postgres

/// A row whose slots may lack something.
struct UnfilledRow: Sendable {
    let occurredAt: Timestamp
    let id: EventID
    let versionNumber: Int32
    let fields: [UInt8]
    let extra: [UInt8]
    let slots: [String?]

    var position: EventPosition { EventPosition(occurredAt: occurredAt, id: id) }
}

/// Rows of some versions in one month, in the order of their keys.
struct SelectUnfilled: Statement {
    static let name = "select_unfilled"
    static let sql = """
        SELECT e.occurred_at, e.id, e.version_no, e.fields, e.extra, e.k1, e.k2, e.k3, e.k4, e.k5, e.k6, e.k7, e.k8
        FROM sluice.events e
        WHERE e.tenant_id = $1 AND e.occurred_at >= $2 AND e.occurred_at < $3 AND (e.occurred_at, e.id) > ($2, $4)
          AND e.version_no = ANY ($5::int4[])
        ORDER BY e.occurred_at, e.id
        LIMIT 500
        """

    let tenant: TenantID
    let after: EventPosition
    let end: Timestamp
    let versions: [Int32]

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(after.occurredAt.timestamptz)
        bindings.append(end.timestamptz)
        bindings.append(after.id.uuid)
        bindings.append(versions)
    }

    static func decode(_ row: Row) throws(PostgresError) -> UnfilledRow {
        var slots: [String?] = []
        for column in 5..<13 { slots.append(try row.decodeIfPresent(column)) }
        return UnfilledRow(
            occurredAt: try row.timestamp(0),
            id: EventID(try row.decode(1, as: UUIDBits.self)),
            versionNumber: try row.decode(2),
            fields: try row.decode(3, as: JSONB.self).bytes,
            extra: try row.decode(4, as: JSONB.self).bytes,
            slots: slots
        )
    }
}

/// Writes rows' slots.
struct FillSlots: Statement {
    static let name = "fill_slots"
    static let sql = """
        UPDATE sluice.events e
        SET k1 = u.k1, k2 = u.k2, k3 = u.k3, k4 = u.k4, k5 = u.k5, k6 = u.k6, k7 = u.k7, k8 = u.k8
        FROM unnest($2::timestamptz[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                    $10::text[], $11::text[]) AS u (occurred_at, id, k1, k2, k3, k4, k5, k6, k7, k8)
        WHERE e.tenant_id = $1 AND e.occurred_at = u.occurred_at AND e.id = u.id
        """

    let tenant: TenantID
    let rows: [UnfilledRow]

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.appendArray(of: TimestampTZ.self, rows) { $0.occurredAt.timestamptz }
        bindings.appendArray(of: UUIDBits.self, rows) { $0.id.uuid }
        for slot in 0..<AcceptedEvent.slotCount {
            bindings.appendArray(of: String.self, rows) { slot < $0.slots.count ? $0.slots[slot] : nil }
        }
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

/// The times of a tenant's first and last event.
struct EventSpan: Statement {
    static let name = "event_span"
    static let sql = "SELECT min(e.occurred_at), max(e.occurred_at) FROM sluice.events e WHERE e.tenant_id = $1"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> (first: Timestamp, last: Timestamp)? {
        guard let first = try row.timestampIfPresent(0), let last = try row.timestampIfPresent(1) else { return nil }
        return (first, last)
    }
}

/// How far a schema's rows are filled in.
struct SlotFillState: Sendable {
    let schemaName: String
    let versionNumber: Int32
    let filledTo: Timestamp
    let isDone: Bool
}

struct ListSlotFills: Statement {
    static let name = "list_slot_fills"
    static let sql = "SELECT schema_name, version_no, filled_to, done_at IS NOT NULL FROM sluice.slot_fills WHERE tenant_id = $1"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> SlotFillState {
        SlotFillState(
            schemaName: try row.decode(0),
            versionNumber: try row.decode(1),
            filledTo: try row.timestamp(2),
            isDone: try row.decode(3)
        )
    }
}

struct NoteSlotFill: Statement {
    static let name = "note_slot_fill"
    static let sql = """
        INSERT INTO sluice.slot_fills (tenant_id, schema_name, version_no, filled_to, done_at)
        VALUES ($1, $2, $3, $4, CASE WHEN $5 THEN now() END)
        ON CONFLICT (tenant_id, schema_name) DO UPDATE
        SET version_no = excluded.version_no, filled_to = excluded.filled_to, done_at = excluded.done_at
        """

    let tenant: TenantID
    let state: SlotFillState

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(state.schemaName)
        bindings.append(state.versionNumber)
        bindings.append(state.filledTo.timestamptz)
        bindings.append(state.isDone)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

/// Schemas that nobody knows to be filled in, of tenants with slots; so old that no body can still be read with a version before.
struct UnfilledSchemas: Statement {
    static let name = "unfilled_schemas"
    static let sql = """
        SELECT t.slug, n.name
        FROM (SELECT DISTINCT ON (s.tenant_id, s.name) s.tenant_id, s.name, s.version_no, s.created_at
              FROM sluice.schemas s ORDER BY s.tenant_id, s.name, s.version_no DESC) n
        JOIN sluice.tenants t USING (tenant_id)
        WHERE n.created_at < now() - make_interval(secs => $1)
          AND EXISTS (SELECT FROM sluice.schema_slots k WHERE k.tenant_id = n.tenant_id)
          AND NOT EXISTS (SELECT FROM sluice.slot_fills f WHERE f.tenant_id = n.tenant_id AND f.schema_name = n.name
                          AND f.version_no = n.version_no AND f.done_at IS NOT NULL)
        ORDER BY n.created_at LIMIT 1000
        """

    func bind(_ bindings: inout Bindings) {
        bindings.append(Double(SlotFill.longestBody) / 1_000_000)
    }

    static func decode(_ row: Row) throws(PostgresError) -> (tenant: String, schemaName: String) {
        (try row.decode(0), try row.decode(1))
    }
}
