package import Access
package import EventCore
import Postgres

/// An organisation, as the operator sees it.
package struct TenantRecord: Sendable {
    package let id: TenantID
    package let slug: String
    package let name: String
    package let retentionDays: Int
    package let createdAt: Timestamp
    package let isSuspended: Bool
    package let limits: TenantLimits
}

extension Administration {
    /// Makes a tenant and its source `default` (profile `generic`).
    package func createTenant(slug: String, name: String, retentionDays: Int) async throws -> TenantRecord {
        guard Slug.isValid(slug) else { throw Slug.error("tenant") }
        guard (1...36_500).contains(retentionDays) else {
            throw StoreError(.invalid, "retention is 1 to 36,500 days, not \(retentionDays)")
        }
        guard (1...200).contains(name.unicodeScalars.count), !name.contains("\0") else {
            throw StoreError(.invalid, "a tenant's name has 1 to 200 characters")
        }
        return try await act { [actor] connection, deadline in
            let made = try connection.execute(
                InsertTenant(slug: slug, name: name, retentionDays: Int32(retentionDays)),
                deadline: deadline
            )
            guard let tenant = made.first else {
                throw StoreError(.alreadyExists, "there is a tenant \(slug) already; sluice tenant list shows all")
            }
            _ = try connection.execute(
                InsertSource(tenant: tenant.id, slug: Source.defaultSlug, profile: .generic, schemaName: nil),
                deadline: deadline
            )
            var changes = Changes()
            changes.note("name", to: name)
            changes.note("retention_days", to: retentionDays)
            _ = try connection.execute(
                RecordAct(tenant: tenant.id, actor: actor, action: "tenant.create", target: slug, detail: changes.json),
                deadline: deadline
            )
            return tenant
        }
    }

    /// All of them, by slug.
    package func tenants() async throws -> [TenantRecord] {
        try await act(.readOnly) { connection, deadline in
            try connection.execute(ListTenants(), deadline: deadline)
        }
    }

    package func tenant(slug: String) async throws -> TenantRecord? {
        try await act(.readOnly) { connection, deadline in
            try connection.execute(FindTenant(slug: slug), deadline: deadline).first
        }
    }
}

extension Connection {
    /// The tenant an act is about; its row stays locked until the act ends, so that acts on one tenant are one after another.
    func lockTenant(_ slug: String, deadline: ContinuousClock.Instant) throws -> TenantRecord {
        guard let tenant = try execute(FindTenant(slug: slug, locking: true), deadline: deadline).first else {
            throw StoreError(.notFound, "there is no tenant \(slug); sluice tenant list shows all")
        }
        return tenant
    }

    func findTenant(_ slug: String, deadline: ContinuousClock.Instant) throws -> TenantRecord {
        guard let tenant = try execute(FindTenant(slug: slug), deadline: deadline).first else {
            throw StoreError(.notFound, "there is no tenant \(slug); sluice tenant list shows all")
        }
        return tenant
    }
}

/// The short names of tenants and sources.
enum Slug {
    /// 1 to 63 of a–z, 0–9 and hyphens within.
    static func isValid(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        let isWord: (UInt8) -> Bool = {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        }
        guard (1...63).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
        return isWord(first) && isWord(last) && bytes.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") }
    }

    static func error(_ what: String) -> StoreError {
        StoreError(.invalid, "a \(what)'s slug is 1 to 63 of a-z, 0-9 and hyphens within, like acme or mac-fleet")
    }
}

private let tenantColumns = """
    tenant_id, slug, name, retention_days, created_at, suspended_at IS NOT NULL, sluice.limit_values(limits)
    """

private func decodeTenant(_ row: Row) throws(PostgresError) -> TenantRecord {
    TenantRecord(
        id: TenantID(rawValue: try row.decode(0)),
        slug: try row.decode(1),
        name: try row.decode(2),
        retentionDays: Int(try row.decode(3, as: Int32.self)),
        createdAt: try row.timestamp(4),
        isSuspended: try row.decode(5),
        limits: try row.limits(6)
    )
}

struct InsertTenant: Statement {
    static let name = "insert_tenant"
    static let sql = """
        INSERT INTO sluice.tenants (slug, name, retention_days) VALUES ($1, $2, $3)
        ON CONFLICT (slug) DO NOTHING RETURNING \(tenantColumns)
        """

    let slug: String
    let tenantName: String
    let retentionDays: Int32

    init(slug: String, name: String, retentionDays: Int32) {
        self.slug = slug
        self.tenantName = name
        self.retentionDays = retentionDays
    }

    func bind(_ bindings: inout Bindings) {
        bindings.append(slug)
        bindings.append(tenantName)
        bindings.append(retentionDays)
    }

    static func decode(_ row: Row) throws(PostgresError) -> TenantRecord { try decodeTenant(row) }
}

struct ListTenants: Statement {
    static let name = "list_tenants"
    static let sql = "SELECT \(tenantColumns) FROM sluice.tenants ORDER BY slug"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> TenantRecord { try decodeTenant(row) }
}

struct FindTenant: QueryStatement {
    let slug: String
    var locking = false

    var query: Query {
        var bindings = Bindings()
        bindings.append(slug)
        return Query(
            name: locking ? "find_tenant.locking" : "find_tenant",
            sql: "SELECT \(tenantColumns) FROM sluice.tenants WHERE slug = $1\(locking ? " FOR UPDATE" : "")",
            bindings: bindings
        )
    }

    static func decode(_ row: Row) throws(PostgresError) -> TenantRecord { try decodeTenant(row) }
}
