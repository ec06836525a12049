import ArgumentParser
import EventStore
import Foundation
import Postgres

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copies of the database, made with pg_dump.",
        subcommands: [BackupCreate.self, BackupList.self, BackupPrune.self, BackupRestore.self]
    )
}

/// Where, and with how many connections at once.
struct BackupOptions: ParsableArguments {
    @Option(help: "The folder of all backups (default: backups in SLUICE_HOME).")
    var dir: String?

    @Option(help: "Connections at once, 1 to 64 (default: one for each processor, at most 4).")
    var jobs: Int?

    func folder(_ settings: AdminSettings) -> BackupFolder {
        let path = dir.map { Home($0).path } ?? "\(settings.home.path)/backups"
        return BackupFolder(path: path)
    }

    func checkedJobs() throws -> Int {
        let jobs = jobs ?? min(4, max(1, ProcessInfo.processInfo.activeProcessorCount))
        guard (1...64).contains(jobs) else { throw ValidationError("--jobs is a number from 1 to 64.") }
        return jobs
    }
}

struct BackupCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a backup now.",
        discussion: "Months that are over are archived once and named by every later backup, until something in them changes."
    )

    @Option(help: "Only this tenant, as a copy that can be restored beside others.")
    var tenant: String?

    @OptionGroup var backup: BackupOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let settings = AdminSettings()
        let folder = backup.folder(settings)
        let jobs = try backup.checkedJobs()
        let target = try settings.target().configuration
        let console = Console.current
        let entry = try await settings.withConnection { connection in
            if let tenant {
                return try await TenantBackup(configuration: target, folder: folder, progress: { console.error($0) })
                    .create(slug: tenant, connection)
            }
            let creator = BackupCreator(
                configuration: target,
                connection: connection,
                folder: folder,
                jobs: jobs,
                progress: { console.error($0) }
            )
            // As the daemon's, so that metrics tell of the last backup whoever made it.
            return try await creator.create { copy in
                try await MaintenanceLog(connection).recording("backup", detail: \.summary, copy)
            }
        }
        try options.print(BackupRow(entry))
    }
}

struct BackupList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show all backups, oldest first.")

    @Flag(help: "Read every file that a restore would, and compare its SHA-256; exit status 1 when one is missing or damaged.")
    var verify = false

    @OptionGroup var backup: BackupOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let folder = backup.folder(AdminSettings())
        let entries = try folder.backups()
        try options.print(entries.map(BackupRow.init))
        guard verify else { return }
        var check = BackupCheck()
        let faults = check.faults(entries)
        guard faults.isEmpty else { throw Failure("not every backup can be restored:\n" + faults.joined(separator: "\n")) }
    }
}

struct BackupPrune: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Delete backups older than BACKUP_RETENTION_DAYS (30), and archived months that none names any more.",
        discussion: "The newest whole backup always stays."
    )

    @Option(help: "Delete those older than so many days instead.")
    var days: Int?

    @OptionGroup var backup: BackupOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let settings = AdminSettings()
        let days = try days ?? settings.backupRetentionDays
        guard days > 0 else { throw ValidationError("--days is a number above 0.") }
        try options.confirm("Delete backups older than \(days) days")
        let folder = backup.folder(settings)
        guard let pruned = try folder.prune(olderThan: days, now: Date()) else {
            throw Failure("a backup is being written into \(folder.path); try again when it is done")
        }
        try options.print(pruned.deleted.map(PrunedRow.init))
        guard pruned.left.isEmpty else { throw Failure(pruned.left.joined(separator: "\n")) }
    }
}

struct BackupRestore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Restore a backup into the database of DATABASE_ADMIN_URL, which must have nothing of Sluice's.",
        discussion: """
            The database is made when it is not there; roles too, without passwords: give sluice_api its own afterwards. Every file's \
            SHA-256 is checked before, and every table's rows are counted after.
            """
    )

    @Argument(help: "Its name, as sluice backup list shows it, or the path of its folder.")
    var name: String

    @Option(help: "Restore this tenant, from a backup of it alone, beside the tenants that are there.")
    var tenant: String?

    @OptionGroup var backup: BackupOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let settings = AdminSettings()
        let folder = backup.folder(settings)
        let console = Console.current
        if let tenant {
            let backup = TenantBackup(configuration: try settings.target().configuration, folder: folder, progress: { console.error($0) })
            let entry = try folder.find(name)
            let rows = try await settings.withConnection { try await backup.restore(entry, slug: tenant, $0) }
            return try options.print(rows.sorted { $0.key < $1.key }.map { RestoredRow(table: $0.key, rows: $0.value) })
        }
        let restorer = BackupRestorer(
            configuration: try settings.target().configuration,
            folder: folder,
            jobs: try backup.checkedJobs(),
            progress: { console.error($0) }
        )
        let rows = try await restorer.restore(try folder.find(name))
        try options.print(rows.sorted { $0.key < $1.key }.map { RestoredRow(table: $0.key, rows: $0.value) })
    }
}

extension AdminSettings {
    var backupRetentionDays: Int {
        get throws { try days("backup.retention.days", variable: "BACKUP_RETENTION_DAYS", default: 30) }
    }
}

private struct BackupRow: Listing {
    let name: String
    let kind: String
    let complete: Bool
    @Nullable var createdAt: String?
    @Nullable var database: String?
    @Nullable var rows: Int?
    @Nullable var bytes: Int?
    @Nullable var archivedMonths: Int?
    let path: String

    init(_ entry: BackupFolder.Entry) {
        let manifest = entry.manifest
        name = entry.name
        kind = manifest.map { manifest in manifest.tenant.map { "tenant \($0)" } ?? manifest.kind.rawValue } ?? "-"
        complete = manifest != nil
        createdAt = manifest?.createdAt
        database = manifest?.databaseName
        rows = manifest?.totalRows
        bytes = manifest?.bytes
        archivedMonths = manifest?.months.count
        path = entry.path
    }

    static let columns = ["backup", "kind", "complete", "created at", "database", "rows", "size", "archived months", "folder"]
    var cells: [String] {
        [
            name, kind, complete ? "yes" : "no", createdAt ?? "-", database ?? "-", rows.map { String($0) } ?? "-",
            bytes.map { ByteSize.text($0) } ?? "-", archivedMonths.map { String($0) } ?? "-", path,
        ]
    }
}

private struct PrunedRow: Listing {
    let deleted: String

    init(_ name: String) {
        deleted = name
    }

    static let columns = ["deleted"]
    var cells: [String] { [deleted] }
}

private struct RestoredRow: Listing {
    let table: String
    let rows: Int

    static let columns = ["table", "rows"]
    var cells: [String] { [table, String(rows)] }
}
