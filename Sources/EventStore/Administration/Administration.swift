import EventCore
package import Postgres

/// What the operator does: tenants, sources, keys and schemas. Every act is one transaction as `sluice_owner`, and every
/// change leaves its line in the audit log.
package struct Administration: Sendable {
    private let connection: Connection
    /// Who acts, as the audit log names them.
    let actor: String
    private let timeout: Duration

    /// - Parameters:
    ///   - connection: logged in as a superuser or a member of `sluice_owner` (`DATABASE_ADMIN_URL`).
    ///   - timeout: for one act.
    package init(connection: Connection, actor: String, timeout: Duration = .seconds(30)) {
        self.connection = connection
        self.actor = actor
        self.timeout = timeout
    }

    /// One transaction as the owner; the body gets the deadline of the whole.
    func act<T: Sendable>(
        _ mode: TransactionMode = .readWrite,
        _ body: @Sendable (isolated Connection, ContinuousClock.Instant) throws -> T
    ) async throws -> T {
        let deadline = ContinuousClock.now + timeout
        return try await connection.transaction(mode, deadline: deadline) { connection in
            _ = try connection.execute(Role.owner, deadline: deadline)
            return try body(connection, deadline)
        }
    }
}

/// One act, for the audit log.
struct RecordAct: Statement {
    static let name = "record_act"
    static let sql = "INSERT INTO sluice.audit_log (tenant_id, actor, action, target, detail) VALUES ($1, $2, $3, $4, $5)"

    let tenant: TenantID
    let actor: String
    /// `tenant.create` and the like.
    let action: String
    let target: String
    /// A JSON object without secrets.
    var detail = JSONB("{}")

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(actor)
        bindings.append(action)
        bindings.append(target)
        bindings.append(detail)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}
