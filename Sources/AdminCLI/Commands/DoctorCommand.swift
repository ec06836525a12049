import Access
import ArgumentParser
import EventStore
import Foundation
import Migrations
import Postgres

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Prove on the live database that tenants are kept apart and that what is acknowledged is kept.",
        discussion: """
            Changes nothing: what it tries it tries in a transaction that is rolled back. With --url and --key it tries a running server \
            instead, with good and bad requests as a sender and a reader make them; only what --event gives is stored, once. Exit status 1 \
            when a check fails; a warning is no failure.
            """
    )

    /// In this order; a check that another part of the tool brings goes here.
    static func checks(_ settings: AdminSettings) -> [any DoctorCheck] {
        [MigrationsCheck()] + (settings.separateAPIURL.map { [LoginCheck(url: $0)] } ?? []) + Doctor.databaseChecks
    }

    @Option(help: "Try the server at this address, like https://sluice.example.")
    var url: String?

    @Option(help: ArgumentHelp("A file that holds a key of that server's, or - for standard input.", valueName: "file"))
    var key: String?

    @Option(help: ArgumentHelp("A file with what a sender posts; sent twice to the key's source.", valueName: "file"))
    var event: String?

    @OptionGroup var trust: ServerTrust
    @OptionGroup var options: OutputOptions

    func run() async throws {
        guard let url else {
            guard key == nil, event == nil, trust.ca == nil else {
                throw Failure("--key, --event and --ca go with --url", exitCode: Failure.askedWrongly)
            }
            return try await examineDatabase()
        }
        guard let key else { throw Failure("--url needs --key; without one: sluice health", exitCode: Failure.askedWrongly) }
        try HealthCommand.check(url)
        let results = try await trust.withClient(of: url) { client in
            let health = await ServerHealth(base: url, by: client).examine()
            guard !health.contains(where: { $0.verdict == .fail }) else { return health }
            let trial = RequestTrial(base: url, by: client, key: try Self.readKey(key), event: try event.map(Self.readEvent))
            return health + (await trial.examine())
        }
        try options.conclude(results)
    }

    private static func readKey(_ path: String) throws -> APIKey {
        let bytes = try SecretFile.read(path == "-" ? "/dev/stdin" : path)
        guard let key = APIKey(String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw Failure("\(path) holds no whole API key (slc_…): copy it again", exitCode: Failure.askedWrongly)
        }
        return key
    }

    private static func readEvent(_ path: String) throws -> Data {
        guard let data = FileManager.default.contents(atPath: path) else { throw Failure("\(path) cannot be read") }
        return data
    }

    private func examineDatabase() async throws {
        let settings = AdminSettings()
        let connection = try await settings.connect()
        let results = await Doctor(connection: connection, checks: Self.checks(settings)).examine()
        await connection.close()
        try options.conclude(results)
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

extension OutputOptions {
    /// Prints what checks found, and ends with exit status 1 when one failed.
    func conclude(_ results: [CheckResult]) throws {
        try print(results.map(CheckRow.init))
        if results.contains(where: { $0.verdict == .fail }) { throw ExitCode(1) }
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
