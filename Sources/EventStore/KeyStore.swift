package import Access
import EventCore
import Postgres

/// Finds API keys, through the one function that the API may ask before it knows a tenant.
package final class KeyStore: KeyLookup {
    private let cache: FreshCache<KeyID, KeyRecord?>

    /// - Parameters:
    ///   - freshness: how long an answer, also that there is no such key, is believed.
    ///   - timeout: how long one look-up may take.
    package init(_ database: Database, freshness: Duration = .seconds(1), timeout: Duration) {
        cache = FreshCache(lifetime: freshness, capacity: 100_000) { id in
            try await database.call(FindKey(id: id), deadline: .now + timeout).first
        }
    }

    package func knownKey(_ id: KeyID) -> KeyRecord? {
        cache.known(id) ?? nil
    }

    package func findKey(_ id: KeyID) async throws -> KeyRecord? {
        try await cache.value(for: id)
    }
}

struct FindKey: Statement {
    static let name = "find_key"
    static let sql = """
        SELECT tenant_id, tenant_slug, retention_days, suspended, kind, digest, scopes, source_id, name, expires_at, revoked_at
        FROM sluice.find_key($1)
        """

    let id: KeyID

    func bind(_ bindings: inout Bindings) {
        bindings.append(id.text)
    }

    static func decode(_ row: Row) throws(PostgresError) -> KeyRecord {
        KeyRecord(
            tenant: TenantID(rawValue: try row.decode(0)),
            tenantSlug: try row.decode(1),
            retentionDays: Int(try row.decode(2, as: Int32.self)),
            isSuspended: try row.decode(3),
            kind: try row.decodeEnum(4),
            digest: try row.decode(5, as: Bytea.self).bytes,
            scopes: try row.scopes(6),
            source: try row.decodeIfPresent(7, as: Int32.self).map(SourceID.init(rawValue:)),
            name: try row.decode(8),
            expiresAt: try row.timestampIfPresent(9),
            revokedAt: try row.timestampIfPresent(10)
        )
    }
}
