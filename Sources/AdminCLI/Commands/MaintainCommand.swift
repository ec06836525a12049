import ArgumentParser
import EventCore
import EventStore
import Foundation
import Postgres
import UnixSignals

struct MaintainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "maintain",
        abstract: "Daemon: partitions ahead, retention, sweeps, backups on a cron line, old log files.",
        discussion: """
            Any number of them may run: one does the work, and another takes over when it ends. DB_BACKUP_CRONJOB is five fields in UTC, like \
            30 2 * * *; without it there are no backups. It needs a direct DATABASE_ADMIN_URL.
            """
    )

    @Flag(help: "Do what is due now, once, and end; exit status 1 when something failed.")
    var once = false

    @OptionGroup var backup: BackupOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let settings = AdminSettings()
        let format = settings.text("log.format")?.lowercased() ?? "text"
        guard ["text", "json"].contains(format) else { throw Failure("LOG_FORMAT is text or json", exitCode: Failure.askedWrongly) }
        let tasks = try MaintenanceTasks(
            settings: settings,
            folder: backup.folder(settings),
            jobs: try backup.checkedJobs(),
            actor: AuditActor(name: "maintain", address: AdminSettings.actor.address)
        ).all()
        let maintainer = Maintainer(
            connect: { try await settings.connect() },
            tasks: tasks,
            log: MaintenanceOutput(isJSON: format == "json" || options.output == .json)
        )
        if once {
            try await runOnce(maintainer, settings)
        } else {
            await serve(maintainer)
        }
    }

    private func runOnce(_ maintainer: Maintainer, _ settings: AdminSettings) async throws {
        let failed = try await settings.withConnection { connection in
            guard try await connection.takeSessionLock(Maintainer.lockName) else {
                throw Failure("a sluice maintain is at work on this database already")
            }
            try await maintainer.runDue(connection, start: nil)
            // What has not finished is another's, and under way; what this run has no line for is not its own.
            return try await MaintenanceLog(connection).records().filter { record in
                record.hasFailed && record.finishedAt != nil && maintainer.tasks.contains { $0.name == record.task }
            }
        }
        guard failed.isEmpty else {
            throw Failure("failed: " + failed.map { "\($0.task) (\($0.detail))" }.joined(separator: ", "))
        }
    }

    private func serve(_ maintainer: Maintainer) async {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await maintainer.run() }
            group.addTask {
                for await _ in signals { break }
            }
            await group.next()
            group.cancelAll()
        }
    }
}
