package import EventCore
import Postgres

/// A named stream of a tenant, as the operator sees it.
package struct SourceRecord: Sendable {
    package let id: SourceID
    package let slug: String
    package let profile: SenderProfile
    package let schemaName: String?
    package let createdAt: Timestamp
}

extension Administration {
    /// - Parameter schemaName: a schema applied to this tenant; nil keeps whole records in `extra`.
    package func createSource(
        tenant tenantSlug: String,
        slug: String,
        profile: SenderProfile,
        schemaName: String?
    ) async throws -> SourceRecord {
        guard Slug.isValid(slug) else { throw Slug.error("source") }
        return try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(tenantSlug, deadline: deadline)
            if let schemaName {
                let versions = try connection.execute(SchemaVersions(tenant: tenant.id, name: schemaName), deadline: deadline)
                guard !versions.isEmpty else {
                    throw StoreError(
                        .notFound,
                        "\(tenantSlug) has no schema \(schemaName); apply one first: sluice schema apply \(tenantSlug) \(schemaName)"
                    )
                }
            }
            let made = try connection.execute(
                InsertSource(tenant: tenant.id, slug: slug, profile: profile, schemaName: schemaName),
                deadline: deadline
            )
            guard let source = made.first else {
                throw StoreError(.alreadyExists, "\(tenantSlug) has a source \(slug) already; sluice source list \(tenantSlug) shows all")
            }
            var changes = Changes()
            changes.note("profile", to: profile.rawValue)
            changes.note("schema", to: schemaName)
            _ = try connection.execute(
                RecordAct(tenant: tenant.id, actor: actor, action: "source.create", target: slug, detail: changes.json),
                deadline: deadline
            )
            return source
        }
    }

    /// Gives a source another profile; what was stored stays as it is. Every replica takes new requests by it within two seconds.
    @discardableResult
    package func setProfile(tenant tenantSlug: String, source slug: String, profile: SenderProfile) async throws -> SourceRecord {
        try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(tenantSlug, deadline: deadline)
            let source = try connection.findSource(slug, of: tenant, deadline: deadline)
            guard source.profile != profile else { return source }
            let changed = try connection.execute(
                UpdateSourceProfile(tenant: tenant.id, source: source.id, profile: profile),
                deadline: deadline
            )
            var changes = Changes()
            changes.note("profile", from: source.profile.rawValue, to: profile.rawValue)
            _ = try connection.execute(
                RecordAct(tenant: tenant.id, actor: actor, action: "source.profile", target: slug, detail: changes.json),
                deadline: deadline
            )
            return changed.first ?? source
        }
    }

    /// By slug.
    package func sources(tenant tenantSlug: String) async throws -> [SourceRecord] {
        try await act(.readOnly) { connection, deadline in
            let tenant = try connection.findTenant(tenantSlug, deadline: deadline)
            return try connection.execute(ListSources(tenant: tenant.id), deadline: deadline)
        }
    }
}

extension Connection {
    func findSource(_ slug: String, of tenant: TenantRecord, deadline: ContinuousClock.Instant) throws -> SourceRecord {
        let sources = try execute(ListSources(tenant: tenant.id), deadline: deadline)
        guard let source = sources.first(where: { $0.slug == slug }) else {
            throw StoreError(.notFound, "\(tenant.slug) has no source \(slug); sluice source list \(tenant.slug) shows all")
        }
        return source
    }
}

private let sourceColumns = "source_id, slug, profile, schema_name, created_at"

private func decodeSource(_ row: Row) throws(PostgresError) -> SourceRecord {
    SourceRecord(
        id: SourceID(rawValue: try row.decode(0)),
        slug: try row.decode(1),
        profile: try row.decodeEnum(2),
        schemaName: try row.decodeIfPresent(3),
        createdAt: try row.timestamp(4)
    )
}

struct InsertSource: Statement {
    static let name = "insert_source"
    static let sql = """
        INSERT INTO sluice.sources (tenant_id, slug, profile, schema_name) VALUES ($1, $2, $3, $4)
        ON CONFLICT (tenant_id, slug) DO NOTHING RETURNING \(sourceColumns)
        """

    let tenant: TenantID
    let slug: String
    let profile: SenderProfile
    let schemaName: String?

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(slug)
        bindings.append(profile.rawValue)
        bindings.append(schemaName)
    }

    static func decode(_ row: Row) throws(PostgresError) -> SourceRecord { try decodeSource(row) }
}

struct ListSources: Statement {
    static let name = "list_sources"
    static let sql = "SELECT \(sourceColumns) FROM sluice.sources WHERE tenant_id = $1 ORDER BY slug"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> SourceRecord { try decodeSource(row) }
}

struct UpdateSourceProfile: Statement {
    static let name = "update_source_profile"
    static let sql = "UPDATE sluice.sources SET profile = $3 WHERE tenant_id = $1 AND source_id = $2 RETURNING \(sourceColumns)"

    let tenant: TenantID
    let source: SourceID
    let profile: SenderProfile

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(source.rawValue)
        bindings.append(profile.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> SourceRecord { try decodeSource(row) }
}
