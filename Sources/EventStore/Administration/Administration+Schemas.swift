package import EventCore
import Postgres

/// A published version of a schema.
package struct SchemaVersionRecord: Sendable {
    package let name: String
    /// SchemaVer, `1-0-0`.
    package let version: String
    /// Counts the tenant's versions over all its schemas.
    package let versionNumber: Int32
    let checksum: [UInt8]
}

extension Administration {
    /// Publishes a schema's first version, gives its indexed fields their slots, and makes it the schema of the source
    /// `default` when it is the tenant's first. The same document again changes nothing.
    ///
    /// - Returns: the version in force.
    package func applySchema(tenant tenantSlug: String, document: SchemaDocument) async throws -> SchemaVersionRecord {
        try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(tenantSlug, deadline: deadline)
            let versions = try connection.execute(SchemaVersions(tenant: tenant.id, name: document.name), deadline: deadline)
            if let newest = versions.first {
                guard newest.checksum == document.checksum else {
                    throw StoreError(
                        .alreadyExists,
                        "\(tenantSlug) has \(newest.name) \(newest.version), which reads differently; this release publishes no second version of a schema"
                    )
                }
                return newest
            }
            try connection.allotSlots(document, tenant: tenant, deadline: deadline)
            let published = try connection.execute(PublishSchema(tenant: tenant.id, document: document), deadline: deadline)
            guard let version = published.first else {
                throw StoreError(.notReady, "PostgreSQL returned no row for the new schema version")
            }
            if version.versionNumber == 1 {
                _ = try connection.execute(AdoptSchema(tenant: tenant.id, schemaName: document.name), deadline: deadline)
            }
            var changes = Changes()
            changes.note("version", from: versions.first?.version, to: version.version)
            changes.note("version_no", to: Int(version.versionNumber))
            _ = try connection.execute(
                RecordAct(
                    tenant: tenant.id,
                    actor: actor,
                    action: "schema.apply",
                    target: "\(version.name) \(version.version)",
                    detail: changes.json
                ),
                deadline: deadline
            )
            return version
        }
    }
}

extension Connection {
    /// A field that has a slot keeps it; a new one takes the lowest that is free.
    fileprivate func allotSlots(_ document: SchemaDocument, tenant: TenantRecord, deadline: ContinuousClock.Instant) throws {
        let allotted = try execute(ListSlots(tenant: tenant.id), deadline: deadline)
        var free = Set<Int16>(1...8).subtracting(allotted.map(\.slot))
        for field in document.fields where field.isIndexed {
            if allotted.contains(where: { $0.field == field.name && $0.type == field.type.rawValue }) { continue }
            guard let slot = free.min() else {
                throw StoreError(
                    .exhausted,
                    "\(tenant.slug) has eight indexed fields, as many as there can be; leave indexed out of \(field.name)"
                )
            }
            free.remove(slot)
            _ = try execute(
                InsertSlot(tenant: tenant.id, field: field.name, type: field.type.rawValue, slot: slot),
                deadline: deadline
            )
        }
    }
}

private let versionColumns = "name, version, version_no, checksum"

private func decodeVersion(_ row: Row) throws(PostgresError) -> SchemaVersionRecord {
    SchemaVersionRecord(
        name: try row.decode(0),
        version: try row.decode(1),
        versionNumber: try row.decode(2),
        checksum: try row.decode(3, as: Bytea.self).bytes
    )
}

/// Newest first.
struct SchemaVersions: Statement {
    static let name = "schema_versions"
    static let sql = """
        SELECT \(versionColumns) FROM sluice.schemas WHERE tenant_id = $1 AND name = $2 ORDER BY version_no DESC
        """

    let tenant: TenantID
    let schemaName: String

    init(tenant: TenantID, name: String) {
        self.tenant = tenant
        self.schemaName = name
    }

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(schemaName)
    }

    static func decode(_ row: Row) throws(PostgresError) -> SchemaVersionRecord { try decodeVersion(row) }
}

struct PublishSchema: Statement {
    static let name = "publish_schema"
    static let sql = """
        INSERT INTO sluice.schemas (tenant_id, version_no, name, version, document, checksum)
        SELECT $1, coalesce(max(version_no), 0) + 1, $2, '1-0-0', $3, $4 FROM sluice.schemas WHERE tenant_id = $1
        RETURNING \(versionColumns)
        """

    let tenant: TenantID
    let document: SchemaDocument

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(document.name)
        bindings.append(document.canonicalForm)
        bindings.append(Bytea(bytes: document.checksum))
    }

    static func decode(_ row: Row) throws(PostgresError) -> SchemaVersionRecord { try decodeVersion(row) }
}

/// Makes a schema the one of the source `default`, unless that has one.
struct AdoptSchema: Statement {
    static let name = "adopt_schema"
    static let sql = "UPDATE sluice.sources SET schema_name = $2 WHERE tenant_id = $1 AND slug = 'default' AND schema_name IS NULL"

    let tenant: TenantID
    let schemaName: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(schemaName)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

struct ListSlots: Statement {
    static let name = "list_slots"
    static let sql = "SELECT field, type, slot FROM sluice.schema_slots WHERE tenant_id = $1 ORDER BY slot"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> (field: String, type: String, slot: Int16) {
        (try row.decode(0), try row.decode(1), try row.decode(2))
    }
}

struct InsertSlot: Statement {
    static let name = "insert_slot"
    static let sql = "INSERT INTO sluice.schema_slots (tenant_id, field, type, slot) VALUES ($1, $2, $3, $4)"

    let tenant: TenantID
    let field: String
    let type: String
    let slot: Int16

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(field)
        bindings.append(type)
        bindings.append(slot)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}
