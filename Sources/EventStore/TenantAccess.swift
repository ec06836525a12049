package import EventCore
import Postgres

/// A way to one tenant's rows for what is neither ingest nor a query: the operator's connection, which acts as `sluice_owner`, or the
/// API's pool, which takes a role for each part of a transaction. Whatever is done by it is done in the same way by both.
package struct TenantAccess: Sendable {
    private enum Way: Sendable {
        case owner(Connection)
        case api(Database)
    }

    /// What a part of a transaction does.
    enum Part: Sendable {
        /// Looks at the tenant's rows.
        case reading
        /// Inserts events.
        case writing
        /// Calls functions that are the login's own to call.
        case calling
    }

    package let tenant: TenantID
    package let slug: String
    package let retentionDays: Int
    /// Who acts, as the audit log names them.
    package let actor: AuditActor
    private let way: Way

    /// For the API, on behalf of whoever holds a credential with the scope for it.
    package init(_ database: Database, tenant: TenantID, slug: String, retentionDays: Int, actor: AuditActor) {
        self.init(tenant: tenant, slug: slug, retentionDays: retentionDays, actor: actor, way: .api(database))
    }

    /// For the operator.
    init(owner connection: Connection, of tenant: TenantRecord, actor: AuditActor) {
        self.init(tenant: tenant.id, slug: tenant.slug, retentionDays: tenant.retentionDays, actor: actor, way: .owner(connection))
    }

    private init(tenant: TenantID, slug: String, retentionDays: Int, actor: AuditActor, way: Way) {
        self.tenant = tenant
        self.slug = slug
        self.retentionDays = retentionDays
        self.actor = actor
        self.way = way
    }

    /// One transaction. The body says with `take` what it goes on to do.
    func transaction<T: Sendable>(
        _ mode: TransactionMode = .readWrite,
        deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (isolated Connection) throws -> T
    ) async throws -> T {
        switch way {
        case .owner(let connection):
            return try await connection.transaction(mode, deadline: deadline, body)
        case .api(let database):
            return try await database.pool.withConnection(deadline: deadline) { connection in
                try await connection.transaction(mode, deadline: deadline, body)
            }
        }
    }

    /// Reads row after row in a transaction that can't write; a result is never held whole.
    func stream<S: QueryStatement>(
        _ statement: S,
        patience: Duration,
        deadline: ContinuousClock.Instant,
        _ take: @escaping @Sendable (S.Output) throws -> Void
    ) async throws {
        let preamble = roles(for: .reading)
        let run: @Sendable (Connection) async throws -> Void = { connection in
            try await connection.forEachRow(statement.query, preamble: preamble, patience: patience) { try take(try S.decode($0)) }
        }
        switch way {
        case .owner(let connection): try await run(connection)
        case .api(let database): try await database.pool.withConnection(deadline: deadline) { try await run($0) }
        }
    }

    fileprivate func roles(for part: Part) -> [Query] {
        switch (way, part) {
        case (.owner, _): [Role.owner.query]
        case (.api, .reading): [Role.reader.query, SetTenant(tenant: tenant).query]
        case (.api, .writing): [Role.writer.query]
        case (.api, .calling): [Role.login.query]
        }
    }
}

extension Connection {
    /// Takes the role for the next part of this transaction.
    func take(_ part: TenantAccess.Part, of access: TenantAccess, deadline: ContinuousClock.Instant) throws {
        for query in access.roles(for: part) { _ = try execute(query, deadline: deadline) }
    }
}

extension Administration {
    /// The operator's way to a tenant.
    package func access(tenant slug: String) async throws -> TenantAccess {
        let tenant = try await act(.readOnly) { connection, deadline in try connection.findTenant(slug, deadline: deadline) }
        return TenantAccess(owner: connection, of: tenant, actor: actor)
    }
}
