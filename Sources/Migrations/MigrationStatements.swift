import Postgres

/// A row of `sluice.migrations`.
struct MigrationRecord: Sendable, Equatable {
    let number: Int32
    let name: String
    let checksum: [UInt8]
    let appliedAt: TimestampTZ
}

struct HistoryExists: Statement {
    static let name = "migrations.history_exists"
    static let sql = "SELECT to_regclass('sluice.migrations') IS NOT NULL"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> Bool {
        try row.decode(0)
    }
}

struct History: Statement {
    static let name = "migrations.history"
    static let sql = "SELECT number, name, checksum, applied_at FROM sluice.migrations ORDER BY number"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> MigrationRecord {
        MigrationRecord(
            number: try row.decode(0),
            name: try row.decode(1),
            checksum: try row.decode(2, as: Bytea.self).bytes,
            appliedAt: try row.decode(3)
        )
    }
}

struct Record: Statement {
    static let name = "migrations.record"
    static let sql = "INSERT INTO sluice.migrations (number, name, checksum) VALUES ($1, $2, $3)"

    let migration: Migration

    func bind(_ bindings: inout Bindings) {
        bindings.append(migration.number)
        bindings.append(migration.name)
        bindings.append(Bytea(bytes: migration.checksum))
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}
