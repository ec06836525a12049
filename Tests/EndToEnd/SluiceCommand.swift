import Foundation
import LocalCluster
import TestSupport
import Testing

@testable import AdminCLI

/// The real `sluice`, as an operator runs it on a test's database.
enum SluiceCommand {
    static func run(_ arguments: [String], on migrated: MigratedDatabase) async throws -> (status: ChildExit, output: String) {
        let run = try await ProcessSpawner.shared.run(command(arguments, on: migrated))
        TestRun.keep(output: run.output, of: arguments)
        return run
    }

    /// What it says with `--output json`; an end with another status is an issue.
    static func output(_ arguments: [String], status: Int32, on migrated: MigratedDatabase) async throws -> String {
        let run = try await ProcessSpawner.shared.run(command(arguments + ["--output", "json"], on: migrated))
        #expect(run.status == .exited(status), "\(arguments): \(run.output)")
        return run.output
    }

    static func command(
        _ arguments: [String],
        on migrated: MigratedDatabase,
        output: ChildCommand.Output? = nil
    ) throws -> ChildCommand {
        let environment = ["DATABASE_ADMIN_URL": migrated.adminURL, "PATH": "/usr/bin:/bin"]
        guard let output else { return ChildCommand(try BuiltProgram.path("sluice"), arguments, environment: environment) }
        return ChildCommand(
            try BuiltProgram.path("sluice"),
            arguments,
            environment: environment,
            output: output,
            signalOnParentDeath: .terminate
        )
    }
}

/// A folder that goes with its test.
struct ScratchFolder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "sluice-scratch-\(UUID())")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    func path(_ name: String) -> String { url.appending(path: name).path(percentEncoded: false) }

    func remove() { try? FileManager.default.removeItem(at: url) }
}
