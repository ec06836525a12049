import ArgumentParser
import EventStore
import Migrations
import Postgres

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Prove on the live database that tenants are kept apart and that what is acknowledged is kept.",
        discussion: """
            Changes nothing: what it tries it tries in a transaction that is rolled back. Exit status 1 when a check fails; a warning \
            is no failure.
            """
    )

    /// In this order; a check that another part of the tool brings goes here.
    static func checks(_ settings: AdminSettings) -> [any DoctorCheck] {
        [MigrationsCheck()] + (settings.separateAPIURL.map { [LoginCheck(url: $0)] } ?? []) + Doctor.databaseChecks
    }

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let settings = AdminSettings()
        let connection = try await settings.connect()
        let results = await Doctor(connection: connection, checks: Self.checks(settings)).examine()
        await connection.close()
        try options.print(results.map(CheckRow.init))
        if results.contains(where: { $0.verdict == .fail }) { throw ExitCode(1) }
    }
}

/// Is the database at this release's migrations.
struct MigrationsCheck: DoctorCheck {
    let name = "migrations"

    func run(on connection: Connection, deadline: ContinuousClock.Instant) async throws -> [CheckResult] {
        let status = try await Migrator(connection: connection).status(deadline: deadline)
        func numbers(_ state: MigrationStatus.State) -> String? {
            let found = status.filter { $0.state == state }.map { String($0.number) }
            return found.isEmpty ? nil : found.joined(separator: ", ")
        }
        if let edited = numbers(.edited) {
            return [CheckResult(name, .fail, "edited after they were applied: \(edited)", advice: "put the released files back")]
        }
        if let pending = numbers(.pending) {
            return [CheckResult(name, .fail, "not applied: \(pending)", advice: "run sluice migrate")]
        }
        if let unknown = numbers(.unknown) {
            return [CheckResult(name, .warn, "newer than this tool: \(unknown)", advice: "use the tool of the newer release")]
        }
        return [CheckResult(name, .ok, "all \(status.count) are applied")]
    }
}

struct CheckRow: Listing {
    let check: String
    let verdict: String
    let finding: String
    let advice: String

    init(_ result: CheckResult) {
        check = result.check
        verdict = result.verdict.rawValue
        finding = result.finding
        advice = result.advice
    }

    static let columns = ["check", "verdict", "finding", "what to do"]
    var cells: [String] { [check, verdict, finding, advice] }
}
