package import Access
import EventCore
import Postgres
import Synchronization

/// All tenants' client authorities, through the function that the API may ask before it knows a tenant.
package final class ClientAuthorityStore: ClientAuthorityLookup {
    private let cache: FreshCache<Int, ClientAuthorities>

    /// - Parameters:
    ///   - epoch: tells when something has changed; nil: answers are believed for `freshness` only.
    ///   - freshness: how long an answer is believed while the epoch is not known.
    ///   - timeout: how long one look-up may take.
    package init(_ database: Database, epoch: AccessEpoch? = nil, freshness: Duration = .milliseconds(900), timeout: Duration) {
        let last = LastAuthorities()
        cache = FreshCache(lifetime: freshness, epoch: epoch, capacity: 1) { _ in
            last.keep(try await database.call(AllClientAuthorities(), deadline: .now + timeout).compactMap { $0 })
        }
    }

    package func authorities() async throws -> ClientAuthorities {
        try await cache.value(for: 0)
    }

    package func knownAuthorities() -> ClientAuthorities? {
        cache.cached(0)
    }
}

/// Gives out the same object while nothing in it has changed, so that what was found out under it still holds.
private final class LastAuthorities: Sendable {
    private let state = Mutex(ClientAuthorities([]))

    func keep(_ records: [ClientAuthorityRecord]) -> ClientAuthorities {
        state.withLock { last in
            if last.records != records { last = ClientAuthorities(records) }
            return last
        }
    }
}

struct AllClientAuthorities: Statement {
    static let name = "all_client_authorities"
    static let sql = """
        SELECT tenant_id, tenant_slug, retention_days, suspended, limits, source_id, certificate FROM sluice.client_authorities()
        """

    func bind(_ bindings: inout Bindings) {}

    /// Nil for a certificate that this binary cannot read: it vouches for nobody, and the others do.
    static func decode(_ row: Row) throws(PostgresError) -> ClientAuthorityRecord? {
        guard let authority = ClientAuthority(der: try row.decode(6, as: Bytea.self).bytes) else { return nil }
        return ClientAuthorityRecord(
            authority: authority,
            tenant: TenantID(rawValue: try row.decode(0)),
            tenantSlug: try row.decode(1),
            retentionDays: Int(try row.decode(2, as: Int32.self)),
            isSuspended: try row.decode(3),
            source: try row.decodeIfPresent(5, as: Int32.self).map(SourceID.init(rawValue:)),
            limits: try row.limits(4)
        )
    }
}
