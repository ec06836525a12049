package import Access
import EventCore
import Postgres

/// What an operator changes of a tenant; nil leaves it.
package struct TenantChanges: Sendable {
    package var name: String?
    package var retentionDays: Int?
    /// By name; a limit whose value is nil is taken away.
    package var limits: [TenantLimits.Name: Int?]

    package init(name: String? = nil, retentionDays: Int? = nil, limits: [TenantLimits.Name: Int?] = [:]) {
        self.name = name
        self.retentionDays = retentionDays
        self.limits = limits
    }

    package var isEmpty: Bool { name == nil && retentionDays == nil && limits.isEmpty }

    fileprivate func check() throws(StoreError) {
        if let retentionDays, !(1...36_500).contains(retentionDays) {
            throw StoreError(.invalid, "retention is 1 to 36,500 days, not \(retentionDays)")
        }
        if let name, !(1...200).contains(name.unicodeScalars.count) || name.contains("\0") {
            throw StoreError(.invalid, "a tenant's name has 1 to 200 characters")
        }
        for (name, value) in limits {
            guard value.map({ TenantLimits.allowed.contains($0) }) ?? true else {
                throw StoreError(.invalid, "\(name.rawValue) is none or a number from 1 to \(TenantLimits.allowed.upperBound)")
            }
        }
    }

    /// A JSON object of the limits that are set.
    fileprivate var assigned: JSONB {
        let members = limits.compactMap { name, value in value.map { #""\#(name.rawValue)":\#($0)"# } }
        return JSONB("{\(members.sorted().joined(separator: ","))}")
    }

    fileprivate var removed: [String] { limits.filter { $0.value == nil }.map(\.key.rawValue).sorted() }

    /// For the audit log: which members change, and the limits' new values.
    fileprivate var detail: JSONB {
        var members = limits.map { name, value in #""\#(name.rawValue)":\#(value.map(String.init) ?? "null")"# }
        if let retentionDays { members.append(#""retention_days":\#(retentionDays)"#) }
        if name != nil { members.append(#""name":"changed""#) }
        return JSONB("{\(members.sorted().joined(separator: ","))}")
    }
}

extension Administration {
    /// Changes a tenant; every replica goes by it within two seconds. As `tenantWithUsage`.
    package func updateTenant(slug: String, _ changes: TenantChanges) async throws -> (tenant: TenantRecord, storedThisMonth: Int) {
        try changes.check()
        return try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(slug, deadline: deadline)
            guard !changes.isEmpty else { return try connection.withUsage(tenant, deadline: deadline) }
            let update = UpdateTenant(
                tenant: tenant.id,
                tenantName: changes.name,
                retentionDays: changes.retentionDays.map { Int32($0) },
                limits: changes.assigned,
                removed: changes.removed
            )
            _ = try connection.execute(update, deadline: deadline)
            _ = try connection.execute(
                RecordAct(tenant: tenant.id, actor: actor, action: "tenant.update", target: slug, detail: changes.detail),
                deadline: deadline
            )
            return try connection.withUsage(connection.findTenant(slug, deadline: deadline), deadline: deadline)
        }
    }

    /// Suspends a tenant or lets it go on. Doing it again changes nothing.
    package func suspendTenant(slug: String, _ suspended: Bool) async throws -> TenantRecord {
        try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(slug, deadline: deadline)
            guard tenant.isSuspended != suspended else { return tenant }
            _ = try connection.execute(SuspendTenant(tenant: tenant.id, suspended: suspended), deadline: deadline)
            _ = try connection.execute(
                RecordAct(tenant: tenant.id, actor: actor, action: suspended ? "tenant.suspend" : "tenant.resume", target: slug),
                deadline: deadline
            )
            return try connection.findTenant(slug, deadline: deadline)
        }
    }

    /// A tenant, and how many events it stored in this UTC month, to within the replicas' last seconds.
    package func tenantWithUsage(slug: String) async throws -> (tenant: TenantRecord, storedThisMonth: Int) {
        try await act(.readOnly) { connection, deadline in
            try connection.withUsage(connection.findTenant(slug, deadline: deadline), deadline: deadline)
        }
    }
}

extension Connection {
    fileprivate func withUsage(
        _ tenant: TenantRecord,
        deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> (tenant: TenantRecord, storedThisMonth: Int) {
        (tenant, Int(clamping: try execute(StoredThisMonth(tenant: tenant.id), deadline: deadline).first ?? 0))
    }
}

struct UpdateTenant: Statement {
    static let name = "update_tenant"
    static let sql = """
        UPDATE sluice.tenants
        SET name = coalesce($2, name), retention_days = coalesce($3, retention_days), limits = (limits || $4) - $5::text[]
        WHERE tenant_id = $1
        """

    let tenant: TenantID
    let tenantName: String?
    let retentionDays: Int32?
    let limits: JSONB
    let removed: [String]

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(tenantName)
        bindings.append(retentionDays)
        bindings.append(limits)
        bindings.append(removed)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

struct SuspendTenant: Statement {
    static let name = "suspend_tenant"
    static let sql = "UPDATE sluice.tenants SET suspended_at = CASE WHEN $2 THEN now() END WHERE tenant_id = $1"

    let tenant: TenantID
    let suspended: Bool

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(suspended)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

struct StoredThisMonth: Statement {
    static let name = "stored_this_month"
    static let sql = """
        SELECT count FROM sluice.stored_events
        WHERE tenant_id = $1 AND month = date_trunc('month', now() AT TIME ZONE 'UTC')
        """

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Int64 {
        try row.decode(0)
    }
}
