import ArgumentParser
import Foundation

/// The operator's tool.
struct Sluice: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sluice",
        abstract: "Runs and administers Sluice, the event-ingest service.",
        discussion: """
            Commands reach the database that DATABASE_ADMIN_URL (or DATABASE_URL) names; beside a running `sluice up` they need \
            neither. URLs and secrets come by environment or file only, never as arguments.
            """,
        subcommands: [
            Up.self, Migrate.self, DoctorCommand.self, HealthCommand.self, TenantCommand.self, SourceCommand.self, KeyCommand.self,
            IssuerCommand.self, TokenCommand.self, SchemaCommand.self, QuarantineCommand.self, EventsCommand.self, ExportCommand.self,
            ImportCommand.self, PartitionsCommand.self, RetentionCommand.self, BackupCommand.self, MaintainCommand.self, AuditCommand.self,
            ProfileCommand.self,
        ]
    )
}

@main
enum Main {
    static func main() async {
        // A reader that goes away is an error of that write, no end of this program.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try Sluice.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            Failure.exit(error)
        }
    }
}
