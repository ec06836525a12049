package import Postgres

/// Brings a database to the newest migration this binary knows.
///
/// Every migration is its own transaction. Each of them begins by taking one advisory lock, so of ten processes that
/// migrate at once one works and nine wait, look again, and find it done. The lock is the transaction's, never the
/// session's: nothing is left behind by a killed process, and a pooler in between does no harm.
package struct Migrator: Sendable {
    private let connection: Connection
    private let migrations: [Migration]

    package init(connection: Connection, migrations: [Migration] = Migration.all) {
        self.connection = connection
        self.migrations = migrations
    }

    /// Applies what is missing; safe to call at any time, from any number of processes.
    ///
    /// - Parameter deadline: for the whole, waiting for other processes included.
    /// - Returns: what this call applied, oldest first; empty when the database was up to date.
    /// - Throws: `MigrationError` when the recorded history is not this binary's, `PostgresError` otherwise.
    package func migrate(deadline: ContinuousClock.Instant) async throws -> [Migration] {
        var applied: [Migration] = []
        while let migration = try await applyNext(deadline: deadline) {
            applied.append(migration)
        }
        return applied
    }

    /// What is applied and what is not, without changing anything.
    package func status(deadline: ContinuousClock.Instant) async throws -> [MigrationStatus] {
        let history = try await connection.transaction(.readOnly, deadline: deadline) { connection in
            let table = try connection.execute(HistoryExists(), deadline: deadline)
            return table == [true] ? try connection.execute(History(), deadline: deadline) : []
        }
        let known = Dictionary(migrations.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
        let records = Dictionary(history.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
        return Set(known.keys).union(records.keys).sorted().map { number in
            let record = records[number]
            let state: MigrationStatus.State =
                switch (known[number], record) {
                case (let migration?, let record?): migration.checksum == record.checksum ? .applied : .edited
                case (nil, _): .unknown
                case (_, nil): .pending
                }
            return MigrationStatus(
                number: number,
                name: known[number]?.name ?? record?.name ?? "",
                state: state,
                appliedAt: record?.appliedAt
            )
        }
    }

    /// One transaction: lock, look, apply the first one missing. Nil when none is.
    private func applyNext(deadline: ContinuousClock.Instant) async throws -> Migration? {
        try await connection.transaction(.readWrite, deadline: deadline) { [migrations] connection in
            try connection.executeScript(
                """
                SELECT pg_advisory_xact_lock(hashtext('sluice.migrations'));
                CREATE SCHEMA IF NOT EXISTS sluice;
                CREATE TABLE IF NOT EXISTS sluice.migrations (
                    number     int PRIMARY KEY,
                    name       text NOT NULL,
                    checksum   bytea NOT NULL,
                    applied_at timestamptz NOT NULL DEFAULT now()
                );
                """,
                deadline: deadline
            )
            let records = try connection.execute(History(), deadline: deadline)
            guard let next = try Self.next(of: migrations, after: records) else { return nil }
            try connection.executeScript(next.sql, deadline: deadline)
            _ = try connection.execute(Record(migration: next), deadline: deadline)
            return next
        }
    }

    /// The first migration that is not recorded; throws when the history is another one.
    static func next(of migrations: [Migration], after records: [MigrationRecord]) throws(MigrationError) -> Migration? {
        let newest = records.map(\.number).max() ?? 0
        for migration in migrations {
            if let record = records.first(where: { $0.number == migration.number }) {
                guard record.checksum == migration.checksum else {
                    throw MigrationError(code: .edited, number: migration.number, name: migration.name)
                }
            } else if migration.number < newest {
                throw MigrationError(code: .gap, number: migration.number, name: migration.name)
            } else {
                return migration
            }
        }
        return nil
    }
}

/// Where one migration stands in one database.
package struct MigrationStatus: Sendable, Equatable {
    package enum State: String, Sendable {
        case applied, pending
        /// Applied here, but this binary's file reads differently.
        case edited
        /// Applied here by a newer binary.
        case unknown
    }

    package let number: Int32
    package let name: String
    package let state: State
    package let appliedAt: TimestampTZ?
}
