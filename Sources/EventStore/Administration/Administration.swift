package import Postgres

/// What the operator does: tenants, sources, keys and schemas. Every act is one transaction as `sluice_owner`, and every
/// change leaves its line in the audit log.
package struct Administration: Sendable {
    let connection: Connection
    /// Who acts, as the audit log names them.
    let actor: AuditActor
    private let timeout: Duration

    /// - Parameters:
    ///   - connection: logged in as a superuser or a member of `sluice_owner` (`DATABASE_ADMIN_URL`).
    ///   - timeout: for one act.
    package init(connection: Connection, actor: AuditActor, timeout: Duration = .seconds(30)) {
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
            _ = try connection.execute(Role.owner.query, deadline: deadline)
            return try body(connection, deadline)
        }
    }
}
