package import Access
import EventCore
import Postgres

/// Finds API keys, through the functions that the API may ask before it knows a tenant.
package final class KeyStore: KeyLookup {
    private let cache: FreshCache<KeyID, KeyRecord?>
    /// One entry: all keys brought from PrivLog.
    private let legacy: FreshCache<Int, [[UInt8]: LegacyKeyRecord]>

    /// - Parameters:
    ///   - epoch: tells when something has changed; nil: answers are believed for `freshness` only.
    ///   - freshness: how long an answer, also that there is no such key, is believed while the epoch is not known.
    ///   - timeout: how long one look-up may take.
    ///   - budget: of look-ups of keys that nobody here has heard of.
    package init(
        _ database: Database,
        epoch: AccessEpoch? = nil,
        freshness: Duration = .seconds(1),
        timeout: Duration,
        budget: LookupBudget = LookupBudget()
    ) {
        cache = FreshCache(lifetime: freshness, epoch: epoch, capacity: 100_000, budget: budget, isWorthKeeping: { $0 != nil }) { id in
            try await database.call(FindKey(id: id), deadline: .now + timeout).first
        }
        legacy = FreshCache(lifetime: freshness, epoch: epoch, capacity: 1) { _ in
            let keys = try await database.call(LegacyKeys(), deadline: .now + timeout)
            return Dictionary(keys.map { ($0.record.digest, $0) }, uniquingKeysWith: { first, _ in first })
        }
    }

    package func findKey(_ id: KeyID, isSuspect: Bool) async throws -> KeyRecord? {
        try await cache.value(for: id, isSuspect: isSuspect)
    }

    package func knownKey(_ id: KeyID) -> KnownKey? {
        cache.cached(id).map { record in record.map(KnownKey.found) ?? .absent }
    }

    package func findLegacyKey(_ digest: [UInt8]) async throws -> LegacyKeyRecord? {
        try await legacy.value(for: 0)[digest]
    }
}

struct FindKey: Statement {
    static let name = "find_key"
    static let sql = "SELECT \(KeyColumns.all) FROM sluice.find_key($1)"

    let id: KeyID

    func bind(_ bindings: inout Bindings) {
        bindings.append(id.text)
    }

    static func decode(_ row: Row) throws(PostgresError) -> KeyRecord { try KeyColumns.decode(row) }
}

struct LegacyKeys: Statement {
    static let name = "legacy_keys"
    static let sql = "SELECT \(KeyColumns.all), key_id FROM sluice.legacy_keys()"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> LegacyKeyRecord {
        LegacyKeyRecord(id: try row.keyID(KeyColumns.count), record: try KeyColumns.decode(row))
    }
}

/// What both functions return of a key.
private enum KeyColumns {
    static let all = """
        tenant_id, tenant_slug, retention_days, suspended, kind, digest, scopes, source_id, name, expires_at, revoked_at, superseded, limits
        """
    static let count = 13

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
            revokedAt: try row.timestampIfPresent(10),
            isSuperseded: try row.decode(11),
            limits: try row.limits(12)
        )
    }
}
