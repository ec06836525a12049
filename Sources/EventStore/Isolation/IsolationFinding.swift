import Postgres

/// One difference between the database and what its migrations made of it, as far as it concerns who may do what.
package struct IsolationFinding: Sendable, Equatable {
    package enum Severity: String, CaseIterable, Sendable {
        /// A protection of the tenants is gone: not fit for traffic.
        case unsafe
        /// Something of ours is gone that no tenant's safety hangs on.
        case missing
        /// Somebody was given more than the migrations gave; it may be meant.
        case extra
    }

    package let severity: Severity
    /// A table, partition, role or function of the schema `sluice`.
    package let object: String
    /// What is wrong with it, in words.
    package let finding: String

    package init(severity: Severity, object: String, finding: String) {
        self.severity = severity
        self.object = object
        self.finding = finding
    }
}

/// Compares the catalog with `sluice.manifest`: some milliseconds, no tenant's row is read.
struct CheckIsolation: Statement {
    static let name = "check_isolation"
    static let sql = """
        SELECT severity, object, finding
        FROM sluice.check_isolation()
        ORDER BY severity = 'unsafe' DESC, severity, object, finding
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> IsolationFinding {
        IsolationFinding(severity: try row.decodeEnum(0), object: try row.decode(1), finding: try row.decode(2))
    }
}

/// Compares the analysts' logins and views with what they are to be. It looks through all databases of the cluster, which may take long:
/// for doctor, and not for what is asked all the time. None of its findings makes the server unfit.
struct CheckSQLAccess: Statement {
    static let name = "check_sql_access"
    static let sql = "SELECT severity, object, finding FROM sluice.check_sql_access() ORDER BY severity, object, finding"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> IsolationFinding { try CheckIsolation.decode(row) }
}
