import EventCore
import Postgres

/// An event of a batch, and where its outcome belongs.
final class EventItem: Sendable {
    let submission: LaneQueue.SubmissionID
    /// Its index in the submission.
    let record: Int
    let event: AcceptedEvent
    /// SHA-256 of the id that the sender gave it, which may be long and may be secret.
    let explicitKey: Fingerprint?

    init(submission: LaneQueue.SubmissionID, record: Int, event: AcceptedEvent) {
        self.submission = submission
        self.record = record
        self.event = event
        explicitKey = event.explicitID.map { Fingerprint(hashing: Array($0.utf8)) }
    }

    var key: EventKey { EventKey(event) }

    func settled(_ outcome: WriteOutcome) -> LaneQueue.Settled {
        LaneQueue.Settled(submission: submission, record: record, outcome: outcome)
    }
}

/// The primary key of `events`, in the index's order.
struct EventKey: Hashable, Comparable, Sendable {
    let tenant: TenantID
    let occurredAt: Timestamp
    let id: EventID

    static func < (left: EventKey, right: EventKey) -> Bool {
        if left.occurredAt != right.occurredAt, left.tenant == right.tenant { return left.occurredAt < right.occurredAt }
        return (left.tenant.rawValue, left.occurredAt, left.id.high, left.id.low)
            < (right.tenant.rawValue, right.occurredAt, right.id.high, right.id.low)
    }

    func hash(into hasher: inout Hasher) {
        // The id holds the fingerprint; the rest hardly ever tells two keys apart.
        hasher.combine(id.high)
        hasher.combine(id.low)
    }
}

extension EventKey {
    init(_ event: AcceptedEvent) {
        self.init(tenant: event.tenant, occurredAt: event.occurredAt, id: event.id)
    }

    init(_ row: Row) throws(PostgresError) {
        self.init(
            tenant: TenantID(rawValue: try row.decode(0)),
            occurredAt: try row.timestamp(1),
            id: EventID(try row.decode(2, as: UUIDBits.self))
        )
    }
}

/// Inserts events; returns the primary keys of the rows that were not there before.
///
/// One statement whatever the batch's size. A slot that no event of the batch uses is sent as an empty array:
/// `unnest` fills the shorter arrays up with NULL. The events come in the order of their keys, so that two lanes that insert
/// the same ones never wait for each other crosswise.
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

    let items: [EventItem]

    func bind(_ bindings: inout Bindings) {
        Self.bind(items, &bindings)
    }

    static func bind(_ items: [EventItem], _ bindings: inout Bindings) {
        let payload = items.reduce(0) { $0 + $1.event.fields.count + $1.event.extra.count }
        bindings.reserveCapacity(parameters: 20, bytes: payload + items.count * 192 + 1_024)
        bindings.appendArray(of: Int32.self, items) { $0.event.tenant.rawValue }
        bindings.appendArray(of: TimestampTZ.self, items) { $0.event.occurredAt.timestamptz }
        bindings.appendArray(of: UUIDBits.self, items) { $0.event.id.uuid }
        bindings.appendArray(of: TimestampTZ.self, items) { $0.event.receivedAt.timestamptz }
        bindings.appendArray(of: Int32.self, items) { $0.event.source.rawValue }
        bindings.appendArray(of: Int32.self, items) { $0.event.versionNumber }
        bindings.appendArray(of: String.self, items) { $0.event.type }
        bindings.appendArray(of: String.self, items) { $0.event.actor }
        bindings.appendArray(of: String.self, items) { $0.event.machine }
        for slot in 0..<AcceptedEvent.slotCount {
            let isUsed = items.contains { slot < $0.event.slots.count && $0.event.slots[slot] != nil }
            bindings.appendArray(of: String.self, isUsed ? items[...] : []) {
                slot < $0.event.slots.count ? $0.event.slots[slot] : nil
            }
        }
        bindings.appendArray(of: JSONB.self, items) { JSONB(bytes: $0.event.fields) }
        bindings.appendArray(of: JSONB.self, items) { JSONB(bytes: $0.event.extra) }
    }

    static func decode(_ row: Row) throws(PostgresError) -> EventKey { try EventKey(row) }
}

/// As `InsertEvents`, but leaves an event out whose explicit id is remembered for another one. `ClaimIDs` goes before it.
struct InsertClaimedEvents: Statement {
    static let name = "insert_claimed_events"
    static let sql = """
        INSERT INTO sluice.events (tenant_id, occurred_at, id, received_at, source_id, version_no, type, actor, machine,
                                   k1, k2, k3, k4, k5, k6, k7, k8, fields, extra)
        SELECT e.tenant_id, e.occurred_at, e.id, e.received_at, e.source_id, e.version_no, e.type, e.actor, e.machine,
               e.k1, e.k2, e.k3, e.k4, e.k5, e.k6, e.k7, e.k8, e.fields, e.extra
        FROM unnest($1::int4[], $2::timestamptz[], $3::uuid[], $4::timestamptz[], $5::int4[], $6::int4[],
                    $7::text[], $8::text[], $9::text[],
                    $10::text[], $11::text[], $12::text[], $13::text[],
                    $14::text[], $15::text[], $16::text[], $17::text[],
                    $18::jsonb[], $19::jsonb[], $20::bytea[])
             AS e (tenant_id, occurred_at, id, received_at, source_id, version_no, type, actor, machine,
                   k1, k2, k3, k4, k5, k6, k7, k8, fields, extra, key_digest)
        WHERE e.key_digest IS NULL
           OR EXISTS (SELECT FROM sluice.remembered_ids r
                      WHERE r.tenant_id = e.tenant_id AND r.source_id = e.source_id AND r.key_digest = e.key_digest
                        AND r.occurred_at = e.occurred_at AND r.id = e.id)
        ON CONFLICT DO NOTHING
        RETURNING tenant_id, occurred_at, id
        """

    let items: [EventItem]

    func bind(_ bindings: inout Bindings) {
        InsertEvents.bind(items, &bindings)
        bindings.appendArray(of: Bytea.self, items) { $0.explicitKey.map { Bytea($0.bytes) } }
    }

    static func decode(_ row: Row) throws(PostgresError) -> EventKey { try EventKey(row) }
}
