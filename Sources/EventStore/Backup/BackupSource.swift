package import EventCore
package import Postgres

/// The database that is backed up, or was restored.
package struct BackupSource: Sendable {
    private let connection: Connection
    private static let patience = Duration.seconds(3_600)

    /// - Parameter connection: direct, of a superuser (or a role with BYPASSRLS).
    package init(_ connection: Connection) {
        self.connection = connection
    }

    /// Begins a transaction whose moment pg_dump shares, and reads all facts at that moment, which counts every row of every table. ``end()`` ends it.
    ///
    /// - Throws: `StoreError` (`unsafeRole`) when this login would not see every row.
    package func begin() async throws -> BackupFacts {
        let deadline = ContinuousClock.now + Self.patience
        let moment = try await beginMoment()
        do {
            guard let snapshot = try await connection.execute(ExportSnapshot(), deadline: deadline).first else {
                throw StoreError(.notReady, "the database exports no snapshot")
            }
            return BackupFacts(
                identity: moment.identity,
                asOf: moment.asOf,
                snapshot: snapshot,
                roles: try await connection.execute(RolesInUse(), deadline: deadline),
                rows: try await rows(deadline),
                closedMonths: try await connection.execute(ClosedMonths(), deadline: deadline)
            )
        } catch {
            await end()
            throw error
        }
    }

    /// Begins a transaction that sees one moment, and asks no more than which database it is of. ``end()`` ends it.
    ///
    /// - Throws: `StoreError` (`unsafeRole`) when this login would not see every row.
    package func beginMoment() async throws -> (identity: DatabaseIdentity, asOf: Timestamp) {
        let deadline = ContinuousClock.now + Self.patience
        try await connection.executeScript(
            "SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0; SET timezone = 'UTC'",
            deadline: deadline
        )
        try await connection.executeScript("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", deadline: deadline)
        do {
            guard let identity = try await connection.execute(IdentifyDatabase(), deadline: deadline).first,
                let asOf = try await connection.execute(DatabaseNow(), deadline: deadline).first
            else { throw StoreError(.notReady, "the database does not say what it is") }
            guard identity.seesEveryRow else {
                throw StoreError(
                    .unsafeRole,
                    "row-level security hides rows from this login, so its backup would be empty: let DATABASE_ADMIN_URL name a superuser"
                )
            }
            return (identity, asOf)
        } catch {
            await end()
            throw error
        }
    }

    package func end() async {
        try? await connection.executeScript("ROLLBACK", deadline: .now + .seconds(10))
    }

    /// Rows by table, now.
    package func rows() async throws -> [String: Int] {
        try await rows(.now + Self.patience)
    }

    private func rows(_ deadline: ContinuousClock.Instant) async throws -> [String: Int] {
        var rows: [String: Int] = [:]
        for table in try await connection.execute(TablesWithRows(), deadline: deadline) {
            rows[table] = try await connection.execute(CountTable(table: table), deadline: deadline).first ?? 0
        }
        return rows
    }

    /// The same locks as a retention run takes: nothing is dropped while it is copied. Nil when somebody else has them.
    package func exclusively<T: Sendable>(_ body: @Sendable () async throws -> T) async throws -> T? {
        try await connection.withSessionLock(SessionLock.months, body)
    }
}

/// The database that a backup is restored into.
package struct RestoreTarget: Sendable {
    private let connection: Connection

    package init(_ connection: Connection) {
        self.connection = connection
    }

    /// Whether there is anything of Sluice's in it.
    package func isEmpty() async throws -> Bool {
        try await connection.execute(HasNothing(), deadline: .now + .seconds(30)).first ?? false
    }

    /// After the migrations have made the roles: takes their tables away, and makes the roles that other people's rights were given to,
    /// without a login or a password.
    package func makeRoom(roles: [String]) async throws {
        let made = roles.map { role in
            let literal = role.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''")
            return """
                DO $make$ BEGIN
                    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '\(literal)') THEN
                        CREATE ROLE \(quotedIdentifier(role)) NOLOGIN;
                    END IF;
                END $make$;
                """
        }
        try await connection.executeScript(
            "SET client_min_messages = warning; DROP SCHEMA sluice CASCADE; \(made.joined())",
            deadline: .now + .seconds(120)
        )
    }

    /// So that the first queries are planned well.
    package func analyze() async throws {
        try await connection.executeScript("ANALYZE", deadline: .now + .seconds(3_600))
    }
}

struct HasNothing: Statement {
    static let name = "has_nothing"
    static let sql = "SELECT to_regnamespace('sluice') IS NULL"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> Bool { try row.decode(0) }
}
