import EventCore
import Postgres

/// Whose explicit id it is: the primary key of `remembered_ids`.
struct ClaimKey: Hashable, Sendable {
    let tenant: TenantID
    let source: SourceID
    let digest: Fingerprint

    /// nil when the sender gave the event no id.
    init?(_ item: EventItem) {
        guard let digest = item.explicitKey else { return nil }
        tenant = item.event.tenant
        source = item.event.source
        self.digest = digest
    }

    init(_ row: Row) throws(PostgresError) {
        tenant = TenantID(rawValue: try row.decode(0))
        source = SourceID(rawValue: try row.decode(1))
        digest = try row.fingerprint(2)
    }
}

extension ClaimKey {
    /// The order in which all lanes take the ids, so that two of them never wait for each other crosswise.
    func sortsBefore(_ other: ClaimKey) -> Bool {
        guard (tenant, source) == (other.tenant, other.source) else {
            return (tenant.rawValue, source.rawValue) < (other.tenant.rawValue, other.source.rawValue)
        }
        return digest.bytes.lexicographicallyPrecedes(other.digest.bytes)
    }
}

/// The event that an explicit id stands for.
struct Claim: Hashable, Sendable {
    let key: ClaimKey
    let content: Fingerprint
    let occurredAt: Timestamp
    let id: EventID

    func isFor(_ event: AcceptedEvent) -> Bool { occurredAt == event.occurredAt && id == event.id }
}

/// Remembers explicit ids for their events, unless they are remembered already. Sorted as all lanes sort them.
struct ClaimIDs: Statement {
    static let name = "claim_ids"
    static let sql = """
        INSERT INTO sluice.remembered_ids (tenant_id, source_id, key_digest, content_digest, occurred_at, id)
        SELECT * FROM unnest($1::int4[], $2::int4[], $3::bytea[], $4::bytea[], $5::timestamptz[], $6::uuid[])
        ON CONFLICT DO NOTHING
        """

    let items: [EventItem]

    func bind(_ bindings: inout Bindings) {
        let claims = items.compactMap { item in ClaimKey(item).map { (key: $0, event: item.event) } }
            .sorted { $0.key.sortsBefore($1.key) }
        bindings.appendArray(of: Int32.self, claims) { $0.key.tenant.rawValue }
        bindings.appendArray(of: Int32.self, claims) { $0.key.source.rawValue }
        bindings.appendArray(of: Bytea.self, claims) { Bytea($0.key.digest.bytes) }
        bindings.appendArray(of: Bytea.self, claims) { Bytea($0.event.contentDigest.bytes) }
        bindings.appendArray(of: TimestampTZ.self, claims) { $0.event.occurredAt.timestamptz }
        bindings.appendArray(of: UUIDBits.self, claims) { $0.event.id.uuid }
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

/// What the explicit ids of a batch stand for. A statement of its own after `ClaimIDs`, whose snapshot would not show the
/// row that another transaction has just won with.
struct FindClaims: Statement {
    static let name = "find_claims"
    static let sql = """
        SELECT r.tenant_id, r.source_id, r.key_digest, r.content_digest, r.occurred_at, r.id
        FROM unnest($1::int4[], $2::int4[], $3::bytea[]) AS k (tenant_id, source_id, key_digest)
        JOIN sluice.remembered_ids r USING (tenant_id, source_id, key_digest)
        """

    let items: [EventItem]

    func bind(_ bindings: inout Bindings) {
        let keys = Set(items.compactMap(ClaimKey.init))
        bindings.appendArray(of: Int32.self, keys) { $0.tenant.rawValue }
        bindings.appendArray(of: Int32.self, keys) { $0.source.rawValue }
        bindings.appendArray(of: Bytea.self, keys) { Bytea($0.digest.bytes) }
    }

    static func decode(_ row: Row) throws(PostgresError) -> Claim {
        Claim(
            key: try ClaimKey(row),
            content: try row.fingerprint(3),
            occurredAt: try row.timestamp(4),
            id: EventID(try row.decode(5, as: UUIDBits.self))
        )
    }
}

extension Row {
    func fingerprint(_ column: Int) throws(PostgresError) -> Fingerprint {
        guard let value = Fingerprint(bytes: try decode(column, as: Bytea.self).bytes) else {
            throw PostgresError(.decoding, "column \(column) holds no digest")
        }
        return value
    }
}
