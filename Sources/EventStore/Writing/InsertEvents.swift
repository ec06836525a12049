import EventCore
import Postgres

/// Inserts a batch; returns the primary keys of the rows that were not there before.
///
/// One statement whatever the batch's size. A slot that no event of the batch uses is sent as an empty array:
/// `unnest` fills the shorter arrays up with NULL.
struct InsertEvents: Statement {
    static let name = "insert_events"
    static let sql = """
        INSERT INTO sluice.events (tenant_id, occurred_at, id, received_at, source_id, version_no, type, actor, machine,
                                   k1, k2, k3, k4, k5, k6, k7, k8, fields, extra)
        SELECT * FROM unnest($1::int4[], $2::timestamptz[], $3::uuid[], $4::timestamptz[], $5::int4[], $6::int4[],
                             $7::text[], $8::text[], $9::text[],
                             $10::text[], $11::text[], $12::text[], $13::text[],
                             $14::text[], $15::text[], $16::text[], $17::text[],
                             $18::jsonb[], $19::jsonb[])
        ON CONFLICT DO NOTHING
        RETURNING tenant_id, occurred_at, id
        """

    let events: [AcceptedEvent]

    func bind(_ bindings: inout Bindings) {
        bindings.appendArray(of: Int32.self, events) { $0.tenant.rawValue }
        bindings.appendArray(of: TimestampTZ.self, events) { $0.occurredAt.timestamptz }
        bindings.appendArray(of: UUIDBits.self, events) { $0.id.uuid }
        bindings.appendArray(of: TimestampTZ.self, events) { $0.receivedAt.timestamptz }
        bindings.appendArray(of: Int32.self, events) { $0.source.rawValue }
        bindings.appendArray(of: Int32.self, events) { $0.versionNumber }
        bindings.appendArray(of: String.self, events) { $0.type }
        bindings.appendArray(of: String.self, events) { $0.actor }
        bindings.appendArray(of: String.self, events) { $0.machine }
        for slot in 0..<8 {
            let isUsed = events.contains { slot < $0.slots.count && $0.slots[slot] != nil }
            bindings.appendArray(of: String.self, isUsed ? events[...] : []) { slot < $0.slots.count ? $0.slots[slot] : nil }
        }
        bindings.appendArray(of: JSONB.self, events) { JSONB(bytes: $0.fields) }
        bindings.appendArray(of: JSONB.self, events) { JSONB(bytes: $0.extra) }
    }

    static func decode(_ row: Row) throws(PostgresError) -> EventKey {
        EventKey(
            tenant: TenantID(rawValue: try row.decode(0)),
            occurredAt: try row.timestamp(1),
            id: EventID(try row.decode(2, as: UUIDBits.self))
        )
    }
}
