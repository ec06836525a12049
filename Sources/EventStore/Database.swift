import EventCore
package import Postgres

/// The API's way into PostgreSQL: a pool of connections that log in as `sluice_api`, and a role for each transaction.
package struct Database: Sendable {
    let pool: ConnectionPool
    /// The role that reads take.
    private let reading: Query

    /// - Parameter maximumConnections: bound of the pool.
    package init(_ configuration: ConnectionConfiguration, maximumConnections: Int) {
        reading = Role.reader.query
        pool = ConnectionPool(
            PoolConfiguration(
                connection: configuration,
                maximumConnections: maximumConnections,
                prepareConnection: Self.refuseUnsafeLogin
            )
        )
    }

    /// The operator's way in, as `sluice_owner`, whom row-level security shows every tenant: each statement names its own.
    ///
    /// - Parameter configuration: of a superuser or a member of `sluice_owner` (`DATABASE_ADMIN_URL`).
    package init(operator configuration: ConnectionConfiguration, maximumConnections: Int = 2) {
        reading = Role.owner.query
        pool = ConnectionPool(PoolConfiguration(connection: configuration, maximumConnections: maximumConnections))
    }

    /// Connects once, to learn whether this login may be used.
    ///
    /// - Throws: `StoreError` (`unsafeRole`) when it may not, `PostgresError` when that cannot be known now.
    package static func checkLogin(_ configuration: ConnectionConfiguration, deadline: ContinuousClock.Instant) async throws {
        let connection = try await Connection.connect(configuration, deadline: deadline)
        do {
            try await refuseUnsafeLogin(connection)
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
    }

    /// Row-level security does not bind superusers, roles with BYPASSRLS or members of the owner: refused on every new connection.
    @Sendable static func refuseUnsafeLogin(_ connection: Connection) async throws {
        let rights = try await connection.execute(LoginRights(), deadline: .now + .seconds(5))
        guard let login = rights.first, !login.isUnsafe else {
            throw StoreError(
                .unsafeRole,
                """
                the API must not log in as \(rights.first?.name ?? "this role"): it is a superuser, has BYPASSRLS or \
                may become sluice_owner, so tenants would not be kept apart; point DATABASE_URL at the role sluice_api
                """
            )
        }
    }

    /// Reads as one tenant, in one round trip: row-level security shows nothing of another.
    func read<S: QueryStatement>(
        _ statement: S,
        as tenant: TenantID,
        deadline: ContinuousClock.Instant
    ) async throws -> [S.Output] {
        let query = statement.query
        let results = try await pool.withConnection(deadline: deadline) { connection in
            try await connection.transaction(
                preamble(for: query, as: tenant, on: connection) + [query],
                mode: .readOnly,
                deadline: deadline
            )
        }
        guard let last = results.last else { return [] }
        return try last.decode(S.self)
    }

    /// Reads as one tenant, row after row, until `take` has enough: it says whether to go on. What PostgreSQL would still send is
    /// cancelled, so a result is never held whole.
    func stream<S: QueryStatement>(
        _ statement: S,
        as tenant: TenantID,
        deadline: ContinuousClock.Instant,
        _ take: @escaping @Sendable (S.Output) -> Bool
    ) async throws {
        let query = statement.query
        try await pool.withConnection(deadline: deadline) { connection in
            do {
                try await connection.forEachRow(
                    query,
                    preamble: preamble(for: query, as: tenant, on: connection),
                    patience: max(.zero, ContinuousClock.now.duration(to: deadline)),
                    deadline: deadline
                ) { row in
                    guard take(try S.decode(row)) else { throw EnoughRead() }
                }
            } catch is EnoughRead {}
        }
    }

    private func preamble(for query: Query, as tenant: TenantID, on connection: Connection) -> [Query] {
        switch query.planning {
        case .kept where connection.usesNamedStatements: [reading, SetTenantAndKeepPlan(tenant: tenant).query]
        // A statement without a name is planned each time, and better with its values.
        case .kept, .byIndex: [reading, SetTenantAndPlanByIndex(tenant: tenant).query]
        case .free: [reading, SetTenant(tenant: tenant).query]
        }
    }

    private struct EnoughRead: Error {}

    /// Runs one statement with the login's own rights: the functions it may execute, and nothing else.
    func call<S: QueryStatement>(_ statement: S, deadline: ContinuousClock.Instant) async throws -> [S.Output] {
        try await pool.withConnection(deadline: deadline) { connection in
            try await connection.execute(statement, deadline: deadline)
        }
    }

    package var statistics: PoolStatistics { pool.statistics }

    package func close() async {
        await pool.close()
    }
}
