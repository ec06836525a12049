package import Access
package import EventCore
import Postgres

/// A tenant's client authority, as the operator sees it.
package struct ClientAuthoritySummary: Sendable {
    /// SHA-256 of the certificate, in hexadecimal.
    package let fingerprint: String
    package let subject: String
    package let expiresAt: Timestamp
    /// The slug of the one source that its senders fill.
    package let source: String?
    package let createdAt: Timestamp
}

extension Administration {
    private static let mostAuthorities = 10

    /// Lets an authority vouch for a tenant's senders; every server takes their certificates within two seconds. An authority's new
    /// certificate for the same key takes the place of the old one.
    package func addClientAuthority(
        tenant tenantSlug: String,
        _ authority: ClientAuthority,
        source sourceSlug: String? = nil
    ) async throws -> ClientAuthoritySummary {
        try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(tenantSlug, deadline: deadline)
            let source = try sourceSlug.map { try connection.findSource($0, of: tenant, deadline: deadline) }
            let own = try connection.execute(ListClientAuthorities(tenant: tenant.id), deadline: deadline)
            guard own.count < Self.mostAuthorities || own.contains(where: { $0.fingerprint == authority.fingerprint }) else {
                throw StoreError(.invalid, "a tenant has at most \(Self.mostAuthorities) client authorities; remove one first")
            }
            // Two operators at once wait for each other at the epoch, but only after their first change: so this comes before the look.
            let made = try connection.execute(
                UpsertClientAuthority(tenant: tenant.id, authority: authority, source: source?.id),
                deadline: deadline
            )
            guard made.first == true else { throw Self.taken }
            let others = try connection.execute(OtherClientAuthorities(tenant: tenant.id), deadline: deadline).compactMap { $0 }
            guard !others.contains(where: authority.isRelated) else { throw Self.taken }
            guard
                let summary = try connection.execute(ListClientAuthorities(tenant: tenant.id), deadline: deadline)
                    .first(where: { $0.fingerprint == authority.fingerprint })
            else { throw StoreError(.notFound, "the authority is gone again") }
            _ = try connection.execute(
                RecordAct(
                    tenant: tenant.id,
                    actor: actor,
                    action: "client_ca.add",
                    target: summary.fingerprint,
                    detail: summary.changes(isAdded: true).json
                ),
                deadline: deadline
            )
            return summary
        }
    }

    /// By the time they were added.
    package func clientAuthorities(tenant tenantSlug: String) async throws -> [ClientAuthoritySummary] {
        try await act(.readOnly) { connection, deadline in
            let tenant = try connection.findTenant(tenantSlug, deadline: deadline)
            return try connection.execute(ListClientAuthorities(tenant: tenant.id), deadline: deadline)
        }
    }

    /// Every server refuses the certificates that it signed within two seconds, on open connections too.
    package func removeClientAuthority(tenant tenantSlug: String, fingerprint: String) async throws -> ClientAuthoritySummary {
        try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(tenantSlug, deadline: deadline)
            let own = try connection.execute(ListClientAuthorities(tenant: tenant.id), deadline: deadline)
            guard let summary = own.first(where: { $0.fingerprint == fingerprint }) else {
                throw StoreError(
                    .notFound,
                    "\(tenantSlug) has no client authority \(fingerprint); sluice tenant client-ca \(tenantSlug) --list shows all"
                )
            }
            _ = try connection.execute(DeleteClientAuthority(tenant: tenant.id, fingerprint: fingerprint), deadline: deadline)
            _ = try connection.execute(
                RecordAct(
                    tenant: tenant.id,
                    actor: actor,
                    action: "client_ca.remove",
                    target: fingerprint,
                    detail: summary.changes(isAdded: false).json
                ),
                deadline: deadline
            )
            return summary
        }
    }

    private static let taken = StoreError(
        .alreadyExists,
        "this authority, or one that signed it or that it signed, vouches for another tenant: nobody could say whose its senders are"
    )
}

extension ClientAuthoritySummary {
    /// For the audit log.
    fileprivate func changes(isAdded: Bool) -> Changes {
        var changes = Changes()
        let values: [(String, (any AuditValue)?)] = [("subject", subject), ("expires_at", expiresAt), ("source", source)]
        for (name, value) in values { changes.note(name, from: isAdded ? nil : value, to: isAdded ? value : nil) }
        return changes
    }
}

struct ListClientAuthorities: Statement {
    static let name = "list_client_authorities"
    static let sql = """
        SELECT a.fingerprint, a.subject, a.expires_at, s.slug, a.created_at
        FROM sluice.client_authorities a LEFT JOIN sluice.sources s ON s.tenant_id = a.tenant_id AND s.source_id = a.source_id
        WHERE a.tenant_id = $1 ORDER BY a.created_at, a.fingerprint
        """

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> ClientAuthoritySummary {
        ClientAuthoritySummary(
            fingerprint: try row.decode(0),
            subject: try row.decode(1),
            expiresAt: try row.timestamp(2),
            source: try row.decodeIfPresent(3),
            createdAt: try row.timestamp(4)
        )
    }
}

/// No row when the key vouches for another tenant.
struct UpsertClientAuthority: Statement {
    static let name = "upsert_client_authority"
    static let sql = """
        INSERT INTO sluice.client_authorities AS known (tenant_id, fingerprint, key_digest, certificate, subject, expires_at, source_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (key_digest) DO UPDATE
        SET fingerprint = excluded.fingerprint, certificate = excluded.certificate, subject = excluded.subject,
            expires_at = excluded.expires_at, source_id = excluded.source_id
        WHERE known.tenant_id = excluded.tenant_id
        RETURNING true
        """

    let tenant: TenantID
    let authority: ClientAuthority
    let source: SourceID?

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(authority.fingerprint)
        bindings.append(Bytea(bytes: authority.keyDigest))
        bindings.append(Bytea(bytes: authority.der))
        bindings.append(authority.subject)
        bindings.append(authority.expiresAt.timestamptz)
        bindings.append(source?.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Bool { try row.decode(0) }
}

/// Those of every other tenant; nil for one that cannot be read.
struct OtherClientAuthorities: Statement {
    static let name = "other_client_authorities"
    static let sql = "SELECT certificate FROM sluice.client_authorities WHERE tenant_id <> $1"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> ClientAuthority? {
        ClientAuthority(der: try row.decode(0, as: Bytea.self).bytes)
    }
}

struct DeleteClientAuthority: Statement {
    static let name = "delete_client_authority"
    static let sql = "DELETE FROM sluice.client_authorities WHERE tenant_id = $1 AND fingerprint = $2"

    let tenant: TenantID
    let fingerprint: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(fingerprint)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}
