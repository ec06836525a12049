import EventCore
import Postgres

private let versionColumns = "name, version, version_no, checksum, created_at, document"

private func decodeVersion(_ row: Row) throws(PostgresError) -> SchemaVersionRecord {
    SchemaVersionRecord(
        name: try row.decode(0),
        version: try row.decode(1),
        versionNumber: try row.decode(2),
        checksum: try row.decode(3, as: Bytea.self).bytes,
        createdAt: try row.timestamp(4),
        document: try row.decode(5)
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

/// Newest first, of all names or of one, of all versions or of one; with their documents or with empty ones.
struct ListSchemas: Statement {
    static let name = "list_schemas"
    static let sql = """
        SELECT name, version, version_no, checksum, created_at, CASE WHEN $5 THEN document ELSE '' END
        FROM sluice.schemas
        WHERE tenant_id = $1 AND ($2::text IS NULL OR name = $2) AND ($3::text IS NULL OR version = $3)
        ORDER BY version_no DESC LIMIT $4
        """
    static let most: Int32 = 1_000

    let tenant: TenantID
    var schemaName: String?
    var version: String?
    var limit = Self.most
    var withDocuments = true

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(schemaName)
        bindings.append(version)
        bindings.append(limit)
        bindings.append(withDocuments)
    }

    static func decode(_ row: Row) throws(PostgresError) -> SchemaVersionRecord { try decodeVersion(row) }
}

/// One change of a tenant's schemas at a time.
struct LockSchemas: Statement {
    static let name = "lock_schemas"
    static let sql = "SELECT pg_advisory_xact_lock(hashtext('sluice.schemas'), $1)"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

/// What a tenant's published versions take. They stay for good, and whoever reads events reads them all.
struct SchemaRoom: Statement {
    static let name = "schema_room"
    static let sql = "SELECT count(*), coalesce(sum(octet_length(document)), 0)::int8 FROM sluice.schemas WHERE tenant_id = $1"

    static let mostVersions: Int64 = 1_000
    static let mostBytes: Int64 = 16 << 20

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    struct Taken: Sendable {
        let versions: Int64
        let bytes: Int64

        /// - Throws: `StoreError` (`full`) when there is no room for one more.
        func check(_ document: SchemaDocument, tenant slug: String) throws {
            guard versions < mostVersions, bytes + Int64(document.canonicalForm.utf8.count) <= mostBytes else {
                throw StoreError(
                    .full,
                    """
                    \(slug) has \(versions) schema versions of \(bytes / 1_024) KiB together; a tenant has at most \(mostVersions) and \
                    \(mostBytes >> 20) MiB, for good. Schemas that go on changing belong to a tenant of their own
                    """
                )
            }
        }
    }

    static func decode(_ row: Row) throws(PostgresError) -> Taken {
        Taken(versions: try row.decode(0), bytes: try row.decode(1))
    }
}

/// No row when the newest version is no longer the one that the plan was made for.
struct PublishSchema: Statement {
    static let name = "publish_schema"
    static let sql = """
        SELECT \(versionColumns)
        FROM sluice.publish_schema($1, $2, $3, $4, $5, $6, $7::text[], $8::text[], $9::int2[], $10, $11, $12)
        """

    let plan: SchemaPlan
    let access: TenantAccess

    func bind(_ bindings: inout Bindings) {
        bindings.append(access.tenant.rawValue)
        bindings.append(plan.document.name)
        bindings.append(plan.version.description)
        bindings.append(plan.document.canonicalForm)
        bindings.append(Bytea(plan.document.checksum))
        bindings.append(plan.before?.versionNumber ?? 0)
        bindings.appendArray(of: String.self, plan.slots.taken) { $0.field }
        bindings.appendArray(of: String.self, plan.slots.taken) { $0.type }
        bindings.appendArray(of: Int16.self, plan.slots.taken) { Int16($0.number) }
        bindings.append(access.actor.name)
        bindings.append(access.actor.address)
        var changes = Changes()
        changes.note("version", from: plan.before?.version.description, to: plan.version.description)
        bindings.append(changes.json)
    }

    static func decode(_ row: Row) throws(PostgresError) -> SchemaVersionRecord { try decodeVersion(row) }
}

/// Whether the tenant has no schema yet, and its source `default` reads with none.
struct AwaitsFirstSchema: Statement {
    static let name = "awaits_first_schema"
    static let sql = """
        SELECT NOT EXISTS (SELECT FROM sluice.schemas WHERE tenant_id = $1)
               AND EXISTS (SELECT FROM sluice.sources WHERE tenant_id = $1 AND slug = 'default' AND schema_name IS NULL)
        """

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Bool { try row.decode(0) }
}

struct ListSlots: Statement {
    static let name = "list_slots"
    static let sql = "SELECT field, type, slot FROM sluice.schema_slots WHERE tenant_id = $1 ORDER BY slot"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> SlotPlan.Slot {
        SlotPlan.Slot(field: try row.decode(0), type: try row.decode(1), number: Int(try row.decode(2, as: Int16.self)))
    }
}
