import EventCore
import Postgres

/// Whether the database is fit for traffic.
package struct Readiness: Sendable, Equatable {
    /// The newest migration applied; nil when none is.
    package let migration: Int32?
    /// This month's and the next one's partitions are there.
    package let monthsReady: Bool
    /// A standby, or set to read only.
    package let isReadOnly: Bool
}

/// What belongs to the installation as a whole and to no tenant, as far as the API may see or do it.
package struct Installation: Sendable {
    let database: Database

    package init(_ database: Database) {
        self.database = database
    }

    /// 32 bytes that all replicas share; cursors are signed with them.
    package func cursorSecret(deadline: ContinuousClock.Instant) async throws -> [UInt8] {
        guard let secret = try await database.call(CursorSecret(), deadline: deadline).first else {
            throw StoreError(.notReady, "the database has no cursor secret: run sluice migrate")
        }
        return secret
    }

    /// Makes the partitions from last month to two ahead; how many were made now.
    package func ensurePlannedMonths(deadline: ContinuousClock.Instant) async throws -> Int {
        Int(try await database.call(EnsurePlannedMonths(), deadline: deadline).first ?? 0)
    }

    /// Deletes what need not be kept any longer: quarantined records (30 days), remembered ids (7 days). How many rows.
    ///
    /// One batch of each at a time; call again until it returns 0.
    package func sweep(deadline: ContinuousClock.Instant) async throws -> Int {
        let refused = try await database.call(SweepQuarantine(batch: 1_000), deadline: deadline).first ?? 0
        let ids = try await database.call(SweepRememberedIDs(batch: 10_000), deadline: deadline).first ?? 0
        return Int(refused) + Int(ids)
    }
}

struct ReadReadiness: Statement {
    static let name = "readiness"
    static let sql = "SELECT migration, months_ready, read_only FROM sluice.readiness()"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> Readiness {
        Readiness(migration: try row.decodeIfPresent(0), monthsReady: try row.decode(1), isReadOnly: try row.decode(2))
    }
}

struct CursorSecret: Statement {
    static let name = "cursor_secret"
    static let sql = "SELECT sluice.cursor_secret()"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> [UInt8] {
        try row.decode(0, as: Bytea.self).bytes
    }
}

struct SweepQuarantine: Statement {
    static let name = "sweep_quarantine"
    static let sql = "SELECT sluice.sweep_quarantine($1)"

    let batch: Int32

    func bind(_ bindings: inout Bindings) {
        bindings.append(batch)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Int32 {
        try row.decode(0)
    }
}

struct SweepRememberedIDs: Statement {
    static let name = "sweep_remembered_ids"
    static let sql = "SELECT sluice.sweep_remembered_ids($1)"

    let batch: Int32

    func bind(_ bindings: inout Bindings) {
        bindings.append(batch)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Int32 {
        try row.decode(0)
    }
}
