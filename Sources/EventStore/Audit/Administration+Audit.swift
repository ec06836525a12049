package import EventCore
import Postgres

/// A line of the audit log.
package struct AuditEntry: Sendable {
    package let at: Timestamp
    /// The slug, or the number of a tenant that is no more; nil: an act on the whole installation.
    package let tenant: String?
    package let actor: String
    package let address: String?
    package let action: String
    package let target: String
    /// A JSON object, as ``Changes`` writes it.
    package let changes: String
}

extension Administration {
    /// Newest first.
    ///
    /// - Parameters:
    ///   - tenant: nil: all, and the acts on no tenant.
    ///   - action: `key.revoke`, or `key` for all that concern keys.
    ///   - limit: 1 to 10,000.
    package func auditLog(
        tenant tenantSlug: String? = nil,
        since: Timestamp? = nil,
        action: String? = nil,
        limit: Int = 100
    ) async throws -> [AuditEntry] {
        guard (1...10_000).contains(limit) else { throw StoreError(.invalid, "--limit is a number from 1 to 10,000") }
        guard action?.contains("\0") != true else { throw StoreError(.invalid, "an action is a word like key.revoke") }
        return try await act(.readOnly) { connection, deadline in
            let tenant = try tenantSlug.map { try connection.findTenant($0, deadline: deadline).id }
            let statement = ListAudit(tenant: tenant, since: since, action: action, limit: Int32(limit))
            return try connection.execute(statement, deadline: deadline)
        }
    }

    /// An act on the installation as a whole, that was done elsewhere: migrations and the like.
    package func record(action: String, target: String, changes: Changes = Changes()) async throws {
        try await act { [actor] connection, deadline in
            let act = RecordAct(tenant: .installation, actor: actor, action: action, target: target, detail: changes.json)
            _ = try connection.execute(act, deadline: deadline)
        }
    }
}

extension TenantID {
    /// In the audit log: no tenant's.
    static let installation = TenantID(rawValue: 0)
}

struct ListAudit: Statement {
    static let name = "list_audit"
    static let sql = """
        SELECT l.at, CASE WHEN l.tenant_id <> 0 THEN coalesce(t.slug, l.tenant_id::text) END, l.actor, l.address, l.action, l.target,
               l.detail::text
        FROM sluice.audit_log l LEFT JOIN sluice.tenants t USING (tenant_id)
        WHERE ($1::int IS NULL OR l.tenant_id = $1) AND ($2::timestamptz IS NULL OR l.at >= $2)
          AND ($3::text IS NULL OR l.action = $3 OR starts_with(l.action, $3 || '.'))
        ORDER BY l.at DESC, l.entry_id DESC LIMIT $4
        """

    let tenant: TenantID?
    let since: Timestamp?
    let action: String?
    let limit: Int32

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant?.rawValue)
        bindings.append(since?.timestamptz)
        bindings.append(action)
        bindings.append(limit)
    }

    static func decode(_ row: Row) throws(PostgresError) -> AuditEntry {
        AuditEntry(
            at: try row.timestamp(0),
            tenant: try row.decodeIfPresent(1),
            actor: try row.decode(2),
            address: try row.decodeIfPresent(3),
            action: try row.decode(4),
            target: try row.decode(5),
            changes: try row.decode(6)
        )
    }
}
