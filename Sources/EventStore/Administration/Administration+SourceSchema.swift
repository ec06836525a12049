package import EventCore
import Postgres

/// A source and the newest version of its schema.
package struct SourceSchema: Sendable {
    package let profile: SenderProfile
    package let schemaName: String?
    /// The schema's canonical form, JSON text; nil for a source that keeps whole records.
    package let document: String?
    /// The tenant's.
    package let retentionDays: Int
}

extension Administration {
    /// How a source's sender behaves, and what its events look like.
    package func sourceSchema(tenant tenantSlug: String, source slug: String) async throws -> SourceSchema {
        try await act(.readOnly) { connection, deadline in
            let tenant = try connection.findTenant(tenantSlug, deadline: deadline)
            let source = try connection.findSource(slug, of: tenant, deadline: deadline)
            let documents = try source.schemaName.map { name in
                try connection.execute(NewestDocument(tenant: tenant.id, schemaName: name), deadline: deadline)
            }
            return SourceSchema(
                profile: source.profile,
                schemaName: source.schemaName,
                document: documents?.first,
                retentionDays: tenant.retentionDays
            )
        }
    }
}

struct NewestDocument: Statement {
    static let name = "newest_document"
    static let sql = "SELECT document FROM sluice.schemas WHERE tenant_id = $1 AND name = $2 ORDER BY version_no DESC LIMIT 1"

    let tenant: TenantID
    let schemaName: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(schemaName)
    }

    static func decode(_ row: Row) throws(PostgresError) -> String { try row.decode(0) }
}
