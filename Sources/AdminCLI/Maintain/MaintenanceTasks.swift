import EventStore
import Foundation
import Postgres

/// The tasks there are, as the environment wants them.
struct MaintenanceTasks: Sendable {
    let settings: AdminSettings
    let folder: BackupFolder
    let jobs: Int
    let actor: AuditActor

    /// - Throws: `Failure` for a setting that makes no sense: at the start, not at night.
    func all() throws -> [MaintenanceTask] {
        var tasks = [partitions, retention, views, slots]
        if let line = settings.text("db.backup.cronjob") {
            do {
                let line = try CronLine(line)
                tasks += [try backup(line), try prune(line)]
            } catch let error as CronLine.Invalid {
                throw Failure("DB_BACKUP_CRONJOB: \(error)", exitCode: Failure.askedWrongly)
            }
        }
        if let directory = settings.text("log.dir") {
            tasks.append(logFiles(directory, try settings.days("logfile.retention.days", variable: "LOGFILE_RETENTION_DAYS", default: 7)))
        }
        return tasks
    }

    private var partitions: MaintenanceTask {
        MaintenanceTask(name: "partitions", schedule: .every(seconds: 3_600)) { connection in
            "\(try await Partitions(connection).ensure()) made"
        }
    }

    /// With the sweeps of refused records and remembered ids.
    private var retention: MaintenanceTask {
        MaintenanceTask(name: "retention", schedule: .every(seconds: 3_600), lock: SessionLock.months) { [actor] connection in
            let outcome = try await Retention(connection, actor: actor).run()
            let rows = outcome.deleted.values.reduce(0, +)
            let waiting = outcome.waitingMonths.isEmpty ? "" : ", \(outcome.waitingMonths.count) left to the next run"
            return """
                \(outcome.droppedMonths.count) months dropped\(waiting), \(rows) rows, \(outcome.refused) refused records and \
                \(outcome.rememberedIDs) remembered ids deleted
                """
        }
    }

    /// Of tenants' analysts: those that were being read when a version was published.
    private var views: MaintenanceTask {
        MaintenanceTask(name: "views", schedule: .every(seconds: 300)) { [actor] connection in
            let views = try await Administration(connection: connection, actor: actor).putStaleSQLViews()
            return "\(views.put) of analysts put in order\(views.left > 0 ? ", \(views.left) left to the next run" : "")"
        }
    }

    /// Of events that were stored before a field was indexed. A minute at a time, so that no other task waits for long.
    private var slots: MaintenanceTask {
        MaintenanceTask(name: "slots", schedule: .every(seconds: 300)) { [actor] connection in
            let slots = try await Administration(connection: connection, actor: actor).fillSlots(rowsPerSecond: 5_000, for: .seconds(60))
            return "\(slots.filled) events filled in\(slots.left > 0 ? ", \(slots.left) schemas left to the next run" : "")"
        }
    }

    private func backup(_ line: CronLine) throws -> MaintenanceTask {
        let configuration = try settings.target().configuration
        return MaintenanceTask(name: "backup", schedule: .cron(line), lock: SessionLock.months) { [folder, jobs] connection in
            let creator = BackupCreator(
                configuration: configuration,
                connection: connection,
                folder: folder,
                jobs: jobs,
                progress: { _ in }
            )
            return try await creator.create().summary
        }
    }

    /// After the backup, and a task of its own: what cannot be deleted makes no backup fail, and a backup that fails keeps nothing longer.
    private func prune(_ line: CronLine) throws -> MaintenanceTask {
        let days = try settings.backupRetentionDays
        return MaintenanceTask(name: "prune", schedule: .cron(line)) { [folder] _ in
            guard let pruned = try folder.prune(olderThan: days, now: Date()) else {
                return "left to the next run: a backup is being written"
            }
            guard pruned.left.isEmpty else { throw Failure(pruned.left.joined(separator: "; ")) }
            return "\(pruned.deleted.count) old backups and archived months deleted"
        }
    }

    private func logFiles(_ directory: String, _ days: Int) -> MaintenanceTask {
        MaintenanceTask(name: "logs", schedule: .every(seconds: 3_600)) { _ in
            "\(try LogFiles(directory: directory).prune(olderThan: days, now: Date())) old files deleted"
        }
    }
}

/// The files that `LOG_DIR` collects.
struct LogFiles: Sendable {
    let directory: String

    /// Deletes those that nobody wrote to for so many days; how many. Only files called like ours: `sluice….log…`.
    func prune(olderThan days: Int, now: Date) throws -> Int {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            throw Failure("LOG_DIR \(directory) cannot be read: \(error.localizedDescription)")
        }
        let limit = now.addingTimeInterval(-86_400 * Double(days))
        var deleted = 0
        for name in names where name.hasPrefix("sluice") && name.contains(".log") {
            let path = "\(directory)/\(name)"
            guard let facts = FileFacts(path), facts.isFile, facts.modifiedAt < limit else { continue }
            if unlink(path) == 0 { deleted += 1 }
        }
        return deleted
    }
}
