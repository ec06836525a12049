package import Access
package import EventCore
import Postgres

/// An issuer as the operator sees it: everything but a secret.
package struct IssuerSummary: Sendable {
    package enum Keys: Sendable, Hashable {
        /// The ids of public keys.
        case set([String])
        case address(String)
        /// The id of a secret.
        case secret(String)
    }

    package let id: IssuerID
    package let issuer: String
    package let audience: String
    package let algorithms: [String]
    package let keys: Keys
    package let scopes: [String]
    package let onExpired: IssuerRegistration.Expired
    /// Seconds.
    package let maximumLifetime: Int64
    package let createdAt: Timestamp
}

extension Administration {
    /// Registers an issuer for a tenant; every server takes its tokens within two seconds.
    package func addIssuer(tenant tenantSlug: String, _ new: NewIssuer) async throws -> IssuerSummary {
        try await new.check()
        return try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(tenantSlug, deadline: deadline)
            let made = try connection.execute(InsertIssuer(tenant: tenant.id, new: new), deadline: deadline)
            guard let issuer = made.first else {
                throw StoreError(
                    .alreadyExists,
                    "the issuer \(new.issuer) is registered for the audience \(new.audience) already: each pair belongs to one tenant"
                )
            }
            _ = try connection.execute(
                RecordAct(tenant: tenant.id, actor: actor, action: "issuer.add", target: issuer.id.description, detail: issuer.detail),
                deadline: deadline
            )
            return issuer
        }
    }

    /// In the order they were registered in.
    package func issuers(tenant tenantSlug: String) async throws -> [IssuerSummary] {
        try await act(.readOnly) { connection, deadline in
            let tenant = try connection.findTenant(tenantSlug, deadline: deadline)
            return try connection.execute(ListIssuers(tenant: tenant.id), deadline: deadline)
        }
    }

    /// Removes an issuer; every server refuses its tokens within two seconds.
    package func removeIssuer(tenant tenantSlug: String, id: IssuerID) async throws -> IssuerSummary {
        try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(tenantSlug, deadline: deadline)
            guard let issuer = try connection.execute(DeleteIssuer(tenant: tenant.id, id: id), deadline: deadline).first else {
                throw StoreError(.notFound, "\(tenantSlug) has no issuer \(id); sluice issuer list \(tenantSlug) shows all")
            }
            _ = try connection.execute(
                RecordAct(tenant: tenant.id, actor: actor, action: "issuer.remove", target: id.description, detail: issuer.detail),
                deadline: deadline
            )
            return issuer
        }
    }

    /// Notes that a token was made for a tenant with the operator's own key file; the token itself is not kept.
    package func recordToken(tenant tenantSlug: String, issuer: IssuerID, detail: [(name: String, json: String)]) async throws {
        try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(tenantSlug, deadline: deadline)
            _ = try connection.execute(
                RecordAct(
                    tenant: tenant.id,
                    actor: actor,
                    action: "token.issue",
                    target: issuer.description,
                    detail: JSONB(JSONText.object(detail))
                ),
                deadline: deadline
            )
        }
    }
}

extension IssuerSummary {
    /// For the audit log.
    fileprivate var detail: JSONB {
        let keys: (name: String, json: String) =
            switch keys {
            case .set(let ids): ("keys", JSONText.array(ids))
            case .address(let address): ("jwks_url", JSONText.quoted(address))
            case .secret(let id): ("secret", JSONText.quoted(id))
            }
        return JSONB(
            JSONText.object([
                ("iss", JSONText.quoted(issuer)), ("aud", JSONText.quoted(audience)), ("algorithms", JSONText.array(algorithms)),
                ("scopes", JSONText.array(scopes)), ("on_expired", JSONText.quoted(onExpired.rawValue)),
                ("max_lifetime", String(maximumLifetime)), keys,
            ])
        )
    }
}

/// Without `secret`: nobody but find_issuer() reads it.
private let issuerColumns = """
    issuer_id, iss, aud, algorithms, jwks::text, jwks_url, secret_kid, scopes, on_expired,
    coalesce(date_part('epoch', max_lifetime)::bigint, 0), created_at
    """

private func decodeIssuer(_ row: Row) throws(PostgresError) -> IssuerSummary {
    let keys: IssuerSummary.Keys
    if let json = try row.decodeIfPresent(4, as: String.self) {
        keys = .set((PublicKeyRecord.readPublished(Array(json.utf8)) ?? []).map(\.id))
    } else if let address = try row.decodeIfPresent(5, as: String.self) {
        keys = .address(address)
    } else {
        keys = .secret(try row.decode(6))
    }
    return IssuerSummary(
        id: IssuerID(rawValue: try row.decode(0)),
        issuer: try row.decode(1),
        audience: try row.decode(2),
        algorithms: try row.decodeArray(3, of: String.self),
        keys: keys,
        scopes: try row.decodeArray(7, of: String.self),
        onExpired: try row.decodeEnum(8),
        maximumLifetime: try row.decode(9),
        createdAt: try row.timestamp(10)
    )
}

struct InsertIssuer: Statement {
    static let name = "insert_issuer"
    static let sql = """
        INSERT INTO sluice.issuers (tenant_id, iss, aud, algorithms, jwks, jwks_url, secret, secret_kid, scopes, on_expired, max_lifetime)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, make_interval(secs => $11::bigint))
        ON CONFLICT (iss, aud) DO NOTHING RETURNING \(issuerColumns)
        """

    let tenant: TenantID
    let new: NewIssuer

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(new.issuer)
        bindings.append(new.audience)
        bindings.append(new.algorithms.map(\.rawValue).sorted())
        bindings.append(new.storedSet.map { JSONB($0) })
        bindings.append(new.storedAddress)
        bindings.append(new.storedSecret.map { Bytea(bytes: $0.bytes) })
        bindings.append(new.storedSecret?.keyID)
        bindings.append(new.scopes.map(\.rawValue).sorted())
        bindings.append(new.onExpired.rawValue)
        bindings.append(new.maximumLifetime)
    }

    static func decode(_ row: Row) throws(PostgresError) -> IssuerSummary { try decodeIssuer(row) }
}

struct ListIssuers: Statement {
    static let name = "list_issuers"
    static let sql = "SELECT \(issuerColumns) FROM sluice.issuers WHERE tenant_id = $1 ORDER BY issuer_id"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> IssuerSummary { try decodeIssuer(row) }
}

struct DeleteIssuer: Statement {
    static let name = "delete_issuer"
    static let sql = "DELETE FROM sluice.issuers WHERE tenant_id = $1 AND issuer_id = $2 RETURNING \(issuerColumns)"

    let tenant: TenantID
    let id: IssuerID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(id.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> IssuerSummary { try decodeIssuer(row) }
}
