import Access
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
            if let schemaName { try connection.checkSchema(schemaName, of: tenant, deadline: deadline) }
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

    /// Gives a source another profile, another schema, or both; what was stored stays as it is, read by the version that it was stored
    /// with. Every replica takes new requests by it within two seconds.
    @discardableResult
    package func updateSource(
        tenant tenantSlug: String,
        source slug: String,
        profile: SenderProfile? = nil,
        schema: SourceSchemaChange? = nil
    ) async throws -> SourceRecord {
        try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(tenantSlug, deadline: deadline)
            let source = try connection.findSource(slug, of: tenant, deadline: deadline)
            let schemaName: String?
            switch schema {
            case .named(let name):
                try connection.checkSchema(name, of: tenant, deadline: deadline)
                schemaName = name
            case .nothing: schemaName = nil
            case nil: schemaName = source.schemaName
            }
            let update = UpdateSource(
                tenant: tenant.id,
                source: source.id,
                profile: profile ?? source.profile,
                schemaName: schemaName
            )
            var changes = Changes()
            changes.note("profile", from: source.profile.rawValue, to: update.profile.rawValue)
            changes.note("schema", from: source.schemaName, to: update.schemaName)
            guard !changes.isEmpty else { return source }
            let changed = try connection.execute(update, deadline: deadline)
            _ = try connection.execute(
                RecordAct(tenant: tenant.id, actor: actor, action: "source.update", target: slug, detail: changes.json),
                deadline: deadline
            )
            return changed.first ?? source
        }
    }

    /// Its events stay, and are read without a source's name. Refused while a key or a client authority is bound to it, something of it
    /// waits in quarantine, or the tenant is on hold.
    package func deleteSource(tenant tenantSlug: String, source slug: String) async throws -> SourceRecord {
        try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(tenantSlug, deadline: deadline)
            let source = try connection.findSource(slug, of: tenant, deadline: deadline)
            guard slug != Source.defaultSlug else {
                throw StoreError(.invalid, "what names no source goes to \(slug); it stays as long as its tenant")
            }
            try connection.refuseHold(of: tenant.id, called: tenantSlug, deadline: deadline)
            try connection.refuseBoundSource(source, of: tenant, deadline: deadline)
            guard try connection.execute(FindRefusedOf(tenant: tenant.id, source: source.id), deadline: deadline).isEmpty else {
                throw StoreError(
                    .invalid,
                    """
                    records of \(slug) wait in quarantine; sluice quarantine replay \(tenantSlug) --source \(slug) tries them again, and purge \
                    gives them up
                    """
                )
            }
            let released = try connection.execute(ReleaseRevokedKeys(tenant: tenant.id, source: source.id), deadline: deadline)
            _ = try connection.execute(DeleteSource(tenant: tenant.id, source: source.id), deadline: deadline)
            // All that will tell whose those events were.
            var changes = Changes()
            changes.note("source_id", from: Int(source.id.rawValue), to: nil)
            changes.note("profile", from: source.profile.rawValue, to: nil)
            changes.note("schema", from: source.schemaName, to: nil)
            if !released.isEmpty { changes.note("revoked_keys", from: released.map(\.text).sorted(), to: nil) }
            _ = try connection.execute(
                RecordAct(tenant: tenant.id, actor: actor, action: "source.delete", target: slug, detail: changes.json),
                deadline: deadline
            )
            return source
        }
    }

    /// - Throws: `StoreError` when the tenant has no such source.
    package func source(tenant tenantSlug: String, slug: String) async throws -> SourceRecord {
        try await act(.readOnly) { connection, deadline in
            try connection.findSource(slug, of: connection.findTenant(tenantSlug, deadline: deadline), deadline: deadline)
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

/// What a source's new events shall be read with.
package enum SourceSchemaChange: Sendable {
    case named(String)
    /// Whole records, in `extra`.
    case nothing
}

extension Connection {
    fileprivate func checkSchema(_ name: String, of tenant: TenantRecord, deadline: ContinuousClock.Instant) throws {
        guard try execute(SchemaVersions(tenant: tenant.id, name: name), deadline: deadline).isEmpty else { return }
        throw StoreError(.notFound, "\(tenant.slug) has no schema \(name); apply one first: sluice schema apply \(tenant.slug) \(name)")
    }

    /// A key that is not revoked counts, expired or not.
    fileprivate func refuseBoundSource(_ source: SourceRecord, of tenant: TenantRecord, deadline: ContinuousClock.Instant) throws {
        let keys = try execute(ListKeys(tenant: tenant.id), deadline: deadline)
            .filter { $0.source == source.slug && $0.revokedAt == nil }
            .map { "the key \($0.id)" }
        let authorities = try execute(ListClientAuthorities(tenant: tenant.id), deadline: deadline)
            .filter { $0.source == source.slug }
            .map { "the client authority \($0.fingerprint)" }
        let bound = keys + authorities
        guard !bound.isEmpty else { return }
        let named = bound.prefix(5).joined(separator: ", ") + (bound.count > 5 ? " and \(bound.count - 5) more" : "")
        throw StoreError(
            .invalid,
            """
            bound to \(source.slug): \(named); sluice key revoke \(tenant.slug) KEY, or sluice tenant client-ca \(tenant.slug) \
            --remove FINGERPRINT, ends that
            """
        )
    }

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

struct UpdateSource: Statement {
    static let name = "update_source"
    static let sql = """
        UPDATE sluice.sources SET profile = $3, schema_name = $4 WHERE tenant_id = $1 AND source_id = $2 RETURNING \(sourceColumns)
        """

    let tenant: TenantID
    let source: SourceID
    let profile: SenderProfile
    let schemaName: String?

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(source.rawValue)
        bindings.append(profile.rawValue)
        bindings.append(schemaName)
    }

    static func decode(_ row: Row) throws(PostgresError) -> SourceRecord { try decodeSource(row) }
}

/// Whether anything of a source waits in quarantine.
struct FindRefusedOf: Statement {
    static let name = "find_refused_of"
    static let sql = "SELECT 1 FROM sluice.quarantine WHERE tenant_id = $1 AND source_id = $2 LIMIT 1"

    let tenant: TenantID
    let source: SourceID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(source.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Int32 { try row.decode(0) }
}

/// Revoked for good, they name the source no more.
struct ReleaseRevokedKeys: Statement {
    static let name = "release_revoked_keys"
    static let sql = """
        UPDATE sluice.api_keys SET source_id = NULL WHERE tenant_id = $1 AND source_id = $2 AND revoked_at IS NOT NULL RETURNING key_id
        """

    let tenant: TenantID
    let source: SourceID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(source.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> KeyID { try row.keyID(0) }
}

struct DeleteSource: Statement {
    static let name = "delete_source"
    static let sql = "DELETE FROM sluice.sources WHERE tenant_id = $1 AND source_id = $2"

    let tenant: TenantID
    let source: SourceID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(source.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}
