package import Access
import EventCore
import Postgres

extension Administration {
    /// Brings PrivLog's keys: each reads the tenant's events, in `X-API-Key` only. One that the tenant has already stays as it is.
    ///
    /// - Returns: those that are new, by the ids that lists call them by.
    package func importKeys(tenant tenantSlug: String, _ keys: [LegacyKey]) async throws -> [KeySummary] {
        try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(tenantSlug, deadline: deadline)
            let earlier = Set(try connection.execute(ListKeys(tenant: tenant.id), deadline: deadline).map(\.id))
            for key in keys {
                let id = APIKey.generate(.query).id
                let owner = try connection.execute(
                    InsertLegacyKey(tenant: tenant.id, id: id, key: key),
                    deadline: deadline
                ).first
                guard owner == tenant.id else {
                    throw StoreError(.alreadyExists, "a key named \"\(key.name)\" cannot be imported: another tenant has the same")
                }
            }
            // The epoch's row is this act's since its first insert, so no other import runs at the same time.
            let count = try connection.execute(CountLegacyKeys(), deadline: deadline).first ?? 0
            guard count <= Int64(LegacyKey.mostOfAll) else {
                throw StoreError(
                    .exhausted,
                    "an installation holds at most \(LegacyKey.mostOfAll) imported keys: rotate or revoke some first"
                )
            }
            let new = try connection.execute(ListKeys(tenant: tenant.id), deadline: deadline).filter { !earlier.contains($0.id) }
            for key in new {
                _ = try connection.execute(
                    RecordAct(tenant: tenant.id, actor: actor, action: "key.import", target: key.id.text),
                    deadline: deadline
                )
            }
            return new
        }
    }
}

/// The tenant that has this key now.
struct InsertLegacyKey: Statement {
    static let name = "insert_legacy_key"
    static let sql = """
        WITH known AS (SELECT tenant_id FROM sluice.api_keys WHERE is_legacy AND digest = $3),
             done AS (INSERT INTO sluice.api_keys (key_id, tenant_id, kind, digest, scopes, name, is_legacy)
                      SELECT $2, $1::int, 'qry', $3, $4::text[], $5, true WHERE NOT EXISTS (SELECT FROM known) RETURNING tenant_id)
        SELECT tenant_id FROM known UNION ALL TABLE done
        """

    let tenant: TenantID
    let id: KeyID
    let key: LegacyKey

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(id.text)
        bindings.append(Bytea(bytes: key.digest))
        bindings.append(KeyKind.query.scopes.map(\.rawValue).sorted())
        bindings.append(key.name)
    }

    static func decode(_ row: Row) throws(PostgresError) -> TenantID {
        TenantID(rawValue: try row.decode(0))
    }
}

struct CountLegacyKeys: Statement {
    static let name = "count_legacy_keys"
    static let sql = "SELECT count(*) FROM sluice.api_keys WHERE is_legacy AND revoked_at IS NULL"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> Int64 {
        try row.decode(0)
    }
}
