import ArgumentParser
import EventCore
import EventStore
import Foundation
import Migrations
import Postgres

struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Brings the database to this release.",
        subcommands: [MigrateApply.self, MigrateStatus.self],
        defaultSubcommand: MigrateApply.self
    )
}

struct MigrateApply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Apply what is missing (the default); any number of processes may do it at once."
    )

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let connection = try await AdminSettings().connect()
        let applied = try await Migrator(connection: connection).migrate(deadline: .now + .seconds(600))
        if !applied.isEmpty {
            let administration = Administration(connection: connection, actor: AdminSettings.actor)
            try await administration.record(action: "migrate.apply", target: applied.map { "\($0.number)" }.joined(separator: ", "))
        }
        await connection.close()
        if applied.isEmpty, options.output == .table {
            Console.current.output("The database is up to date.")
        } else {
            try options.print(applied.map { MigrationRow(number: $0.number, name: $0.name, state: "applied", appliedAt: nil) })
        }
    }
}

struct MigrateStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what is applied and what is not; exit status 1 when something is to be done."
    )

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let connection = try await AdminSettings().connect()
        let status = try await Migrator(connection: connection).status(deadline: .now + .seconds(30))
        await connection.close()
        try options.print(
            status.map { row in
                MigrationRow(
                    number: row.number,
                    name: row.name,
                    state: row.state.rawValue,
                    appliedAt: row.appliedAt.map { Timestamp(microsecondsSince1970: $0.microsecondsSince1970).rfc3339() }
                )
            }
        )
        if status.contains(where: { $0.state == .pending || $0.state == .edited }) { throw ExitCode(1) }
    }
}

private struct MigrationRow: Listing {
    let number: Int32
    let name: String
    let state: String
    @Nullable var appliedAt: String?

    static let columns = ["number", "name", "state", "applied at"]
    var cells: [String] { [String(number), name, state, appliedAt ?? ""] }
}
