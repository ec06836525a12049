package import Access
import EventCore
import Postgres

/// Finds JWT issuers, through the functions that the API may ask before it knows a tenant.
package final class IssuerStore: IssuerLookup {
    /// One entry: the names of all issuers. A made-up one is refused by it, so that forged tokens cost no look-up each.
    private let names: FreshCache<Int, Set<String>>
    private let issuers: FreshCache<String, [IssuerRecord]>

    /// - Parameters:
    ///   - epoch: tells when something has changed; nil: answers are believed for `freshness` only.
    ///   - freshness: how long an answer is believed while the epoch is not known; a change holds after twice as long.
    ///   - timeout: how long one look-up may take.
    package init(
        _ database: Database,
        epoch: AccessEpoch? = nil,
        freshness: Duration = .milliseconds(900),
        timeout: Duration
    ) {
        names = FreshCache(lifetime: freshness, epoch: epoch, capacity: 1) { _ in
            Set(try await database.call(IssuerNames(), deadline: .now + timeout))
        }
        issuers = FreshCache(lifetime: freshness, epoch: epoch, capacity: 10_000) { name in
            try await database.call(FindIssuer(issuer: name), deadline: .now + timeout)
        }
    }

    package func knownIssuers(_ issuer: String) -> [IssuerRecord]? {
        guard let names = names.cached(0) else { return nil }
        return names.contains(issuer) ? issuers.cached(issuer) : []
    }

    package func findIssuers(_ issuer: String) async throws -> [IssuerRecord] {
        guard try await names.value(for: 0).contains(issuer) else { return [] }
        return try await issuers.value(for: issuer)
    }
}

struct IssuerNames: Statement {
    static let name = "issuer_names"
    static let sql = "SELECT name FROM sluice.issuer_names() name"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> String {
        try row.decode(0)
    }
}

struct FindIssuer: Statement {
    static let name = "find_issuer"
    static let sql = """
        SELECT tenant_id, tenant_slug, retention_days, suspended, issuer_id, iss, aud, algorithms, jwks, jwks_url, secret, secret_kid,
               scopes, on_expired, max_lifetime, limits
        FROM sluice.find_issuer($1)
        """

    let issuer: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(issuer)
    }

    static func decode(_ row: Row) throws(PostgresError) -> IssuerRecord {
        IssuerRecord(
            tenant: TenantID(rawValue: try row.decode(0)),
            tenantSlug: try row.decode(1),
            retentionDays: Int(try row.decode(2, as: Int32.self)),
            isSuspended: try row.decode(3),
            registration: IssuerRegistration(
                id: IssuerID(rawValue: try row.decode(4)),
                issuer: try row.decode(5),
                audience: try row.decode(6),
                algorithms: try row.tokenAlgorithms(7),
                keys: try row.issuerKeys(set: 8, address: 9, secret: 10, keyID: 11),
                scopes: try row.scopes(12),
                onExpired: try row.decodeEnum(13),
                maximumLifetime: try row.decodeIfPresent(14) ?? 0
            ),
            limits: try row.limits(15)
        )
    }
}

extension Row {
    func tokenAlgorithms(_ column: Int) throws(PostgresError) -> Set<TokenAlgorithm> {
        Set(try decodeArray(column, of: String.self).compactMap(TokenAlgorithm.init(rawValue:)))
    }

    /// Exactly one of the three columns has a value.
    fileprivate func issuerKeys(
        set: Int,
        address: Int,
        secret: Int,
        keyID: Int
    ) throws(PostgresError) -> IssuerRegistration.Keys {
        if let json = try decodeIfPresent(set, as: String.self) { return .set(json) }
        if let address = try decodeIfPresent(address, as: String.self).flatMap(KeySetAddress.init) { return .address(address) }
        if let secret = try decodeIfPresent(secret, as: Bytea.self), let keyID = try decodeIfPresent(keyID, as: String.self) {
            return .secret(IssuerSecret(keyID: keyID, bytes: secret.bytes))
        }
        throw PostgresError(.decoding, "an issuer has no keys that can be read")
    }
}
