package import Postgres

/// What a check found.
package struct CheckResult: Sendable, Equatable {
    package enum Verdict: String, Sendable {
        case ok, warn, fail
    }

    package let check: String
    package let verdict: Verdict
    /// What is so.
    package let finding: String
    /// What to do about it; empty when nothing is.
    package let advice: String

    package init(_ check: String, _ verdict: Verdict, _ finding: String, advice: String = "") {
        self.check = check
        self.verdict = verdict
        self.finding = finding
        self.advice = advice
    }
}

/// One thing to look at. It leaves nothing behind in the database.
package protocol DoctorCheck: Sendable {
    var name: String { get }

    /// - Parameter connection: logged in as a superuser or a member of `sluice_owner`.
    func run(on connection: Connection, deadline: ContinuousClock.Instant) async throws -> [CheckResult]
}

/// Looks at everything in turn; a check that cannot be made is a check that failed.
package struct Doctor: Sendable {
    private let checks: [any DoctorCheck]
    private let connection: Connection
    private let timeout: Duration

    /// What concerns the database alone.
    package static let databaseChecks: [any DoctorCheck] = [
        ServerCheck(), ClockCheck(), MonthsCheck(), ManifestCheck(), IsolationTrial(),
    ]

    /// - Parameter timeout: for one check.
    package init(connection: Connection, checks: [any DoctorCheck] = databaseChecks, timeout: Duration = .seconds(60)) {
        self.connection = connection
        self.checks = checks
        self.timeout = timeout
    }

    package func examine() async -> [CheckResult] {
        var results: [CheckResult] = []
        for check in checks {
            do {
                results += try await check.run(on: connection, deadline: .now + timeout)
            } catch {
                results.append(Self.failure(of: check.name, error))
            }
        }
        return results
    }

    private static func failure(of check: String, _ error: any Error) -> CheckResult {
        guard let error = error as? PostgresError else { return CheckResult(check, .fail, "could not be checked: \(error)") }
        let advice =
            switch error.sqlState {
            // The last is for a role that is not there.
            case .undefinedTable, .undefinedFunction, .undefinedObject, SQLState(rawValue: "3F000"), .invalidParameterValue:
                "run sluice migrate"
            case .insufficientPrivilege: "let DATABASE_ADMIN_URL name a superuser, or the role that ran sluice migrate"
            case .readOnlyTransaction: "ask the primary: this is a standby, or set to read only"
            default: "look into PostgreSQL's log"
            }
        return CheckResult(check, .fail, "could not be checked: \(error)", advice: advice)
    }
}

extension Connection {
    /// Asks as the owner, who sees everything.
    func examine<S: QueryStatement>(_ statement: S, deadline: ContinuousClock.Instant) async throws -> [S.Output] {
        try await transaction(.readOnly, deadline: deadline) { connection in
            _ = try connection.execute(Role.owner.query, deadline: deadline)
            return try connection.execute(statement, deadline: deadline)
        }
    }
}
