import Foundation
import LocalCluster
import Postgres

/// PostgreSQL's own programs, connecting as we do.
struct PostgresPrograms: Sendable {
    private let binaries: PostgresBinaries
    private let environment: [String: String]
    /// The database that pg_restore is told by name.
    let database: String

    /// - Throws: `Failure` when they are older than the server, whose dumps they could not write.
    init(_ configuration: ConnectionConfiguration, serverVersion: Int32?) async throws {
        let own = ProcessInfo.processInfo.environment
        binaries = try await PostgresBinaries.find(.client, environment: own)
        if let serverVersion, binaries.major < Int(serverVersion) / 10_000 {
            throw Failure(
                "pg_dump in \(binaries.folder) is of PostgreSQL \(binaries.major), the server of \(serverVersion / 10_000): install "
                    + "postgresql-client-\(serverVersion / 10_000), or let SLUICE_BIN_POSTGRES name its folder"
            )
        }
        let inherited = own.filter { $0.key.hasPrefix("PG") || ["PATH", "HOME", "TMPDIR"].contains($0.key) }
        environment = inherited.merging(configuration.childEnvironment) { $1 }.merging(["LC_ALL": "C"]) { $1 }
        database = configuration.value(of: "dbname") ?? own["PGDATABASE"] ?? configuration.value(of: "user") ?? "postgres"
    }

    /// Runs one to its end; it is ended when this task is cancelled.
    ///
    /// - Throws: `Failure` with the last line that it wrote.
    func run(_ program: String, _ arguments: [String], directory: String? = nil) async throws {
        let log = FileManager.default.temporaryDirectory.appending(path: "sluice-\(program)-\(UUID().uuidString).log").path(
            percentEncoded: false
        )
        defer { unlink(log) }
        let child = try await ProcessSpawner.shared.spawn(
            ChildCommand(
                binaries.path(program),
                arguments,
                environment: environment,
                directory: directory,
                output: .appended(to: log),
                signalOnParentDeath: .terminate
            )
        )
        let status = await withTaskCancellationHandler {
            await child.waitForExit()
        } onCancel: {
            child.signal(SIGTERM)
        }
        try Task.checkCancellation()
        guard status == .exited(0) else {
            let lines = ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n")
            let said = lines.last { $0.contains("error:") || $0.contains("ERROR") } ?? lines.last ?? "it says nothing"
            throw Failure("\(program) failed (\(status)): \(said)")
        }
    }
}
