package import EventCore
import Postgres

/// Which database a backup is of.
package struct DatabaseIdentity: Sendable, Equatable {
    /// The same for one cluster from its making, and for one database in it.
    package let key: String
    package let name: String
    /// The newest migration applied.
    package let migration: Int
    /// Row-level security does not bind this login, so pg_dump sees every row. (For any other it would dump months empty.)
    package let seesEveryRow: Bool
}

/// A closed month of events: its rows change seldom, so it is archived once.
package struct ClosedMonth: Sendable, Equatable {
    package let table: String
    package let since: Timestamp
    package let until: Timestamp
    /// When rows of it were changed or deleted for the last time.
    package let alteredAt: Timestamp?
    /// When the last row that came late was received.
    package let lastReceivedAt: Timestamp?
}

/// All that a backup is made by, at one moment.
package struct BackupFacts: Sendable {
    package let identity: DatabaseIdentity
    package let asOf: Timestamp
    /// For `pg_dump --snapshot`: valid until ``BackupSource/end()``.
    package let snapshot: String
    /// Roles that own something here, or have rights on it.
    package let roles: [String]
    /// Rows by table, months one by one.
    package let rows: [String: Int]
    package let closedMonths: [ClosedMonth]
}

struct IdentifyDatabase: Statement {
    static let name = "identify_database"
    static let sql = """
        SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || d.oid, d.datname,
               coalesce((SELECT max(number) FROM sluice.migrations), 0), (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)
        FROM pg_database d WHERE d.datname = current_database()
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> DatabaseIdentity {
        DatabaseIdentity(
            key: try row.decode(0),
            name: try row.decode(1),
            migration: Int(try row.decode(2, as: Int32.self)),
            seesEveryRow: try row.decode(3)
        )
    }
}

struct ExportSnapshot: Statement {
    static let name = "export_snapshot"
    static let sql = "SELECT pg_export_snapshot()"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> String { try row.decode(0) }
}

/// But for analysts' logins: their rights are on views that are in no backup, and their names must be free for `tenant sql-access`.
struct RolesInUse: Statement {
    static let name = "roles_in_use"
    static let sql = """
        SELECT DISTINCT r.rolname FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
        WHERE d.refclassid = 'pg_authid'::regclass AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND r.rolname !~ '^pg_' AND NOT EXISTS (SELECT FROM sluice.sql_access a WHERE a.login = r.rolname) ORDER BY 1
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> String { try row.decode(0) }
}

/// Tables that hold rows themselves: months, and not their parents.
struct TablesWithRows: Statement {
    static let name = "tables_with_rows"
    static let sql = """
        SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('sluice') AND relkind = 'r' ORDER BY 1
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> String { try row.decode(0) }
}

/// All rows of a table, whoever's; as a login that row-level security does not bind.
struct CountTable: QueryStatement {
    let table: String

    var query: Query { Query("SELECT count(*) FROM sluice.\(quotedIdentifier(table))") }

    static func decode(_ row: Row) throws(PostgresError) -> Int { Int(clamping: try row.decode(0, as: Int64.self)) }
}

/// What came after the month's end is late: a BRIN index finds it.
struct ClosedMonths: Statement {
    static let name = "closed_months"
    static let sql = """
        SELECT p.name, p.since, p.until, m.altered_at,
               (SELECT max(e.received_at) FROM sluice.events e
                WHERE e.occurred_at >= p.since AND e.occurred_at < p.until AND e.received_at >= p.until)
        FROM sluice.partitions() p LEFT JOIN sluice.months m ON m.month = (p.since AT TIME ZONE 'UTC')::date
        WHERE p.parent = 'events' AND p.state = 'attached' AND p.until <= now() - interval '2 days'
        ORDER BY p.since
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> ClosedMonth {
        ClosedMonth(
            table: try row.decode(0),
            since: try row.timestamp(1),
            until: try row.timestamp(2),
            alteredAt: try row.timestampIfPresent(3),
            lastReceivedAt: try row.timestampIfPresent(4)
        )
    }
}

/// A text in SQL, where nothing can be bound.
func quotedLiteral(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
}

/// A name in SQL.
func quotedIdentifier(_ name: String) -> String {
    "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
}
