import EventCore
import EventStore
import Foundation
import Postgres

/// Makes a backup: closed months once, into the archive that all backups share; all else each time. All of it shows one moment.
struct BackupCreator: Sendable {
    let configuration: ConnectionConfiguration
    let connection: Connection
    let folder: BackupFolder
    let jobs: Int
    let progress: @Sendable (String) -> Void

    /// A row may be committed so long after the time it carries.
    private static let margin: Int64 = 3_600_000_000

    /// - Parameter recorded: as in ``BackupFolder/write(from:recorded:_:)``.
    func create(
        recorded: @Sendable (_ copy: () async throws -> BackupFolder.Entry) async throws -> BackupFolder.Entry = { try await $0() }
    ) async throws -> BackupFolder.Entry {
        try await folder.write(from: connection, recorded: recorded) { try await copy($0) }
    }

    private func copy(_ source: BackupSource) async throws -> BackupFolder.Entry {
        let programs = try await PostgresPrograms(configuration, serverVersion: connection.serverVersion)
        let facts = try await source.begin()
        do {
            let entry = try await copy(facts, programs)
            await source.end()
            return entry
        } catch {
            await source.end()
            throw error
        }
    }

    private func copy(_ facts: BackupFacts, _ programs: PostgresPrograms) async throws -> BackupFolder.Entry {
        let months = try await archive(facts, programs)
        let name = folder.newName(facts.asOf)
        let path = "\(folder.path)/\(name)"
        try folder.begin(name)
        do {
            progress("\(name): \(facts.rows.count - months.count) tables")
            let excluded = months.map { "--exclude-table-data=sluice.\($0.table)" }
            try await programs.run(
                "pg_dump",
                ["--format=directory", "--jobs=\(jobs)", "--schema=sluice", "--snapshot=\(facts.snapshot)", "--lock-wait-timeout=30000"]
                    + excluded + ["--file=\(path)/dump"]
            )
            let manifest = BackupManifest(
                kind: .full,
                createdAt: facts.asOf.rfc3339(),
                database: facts.identity.key,
                databaseName: facts.identity.name,
                migration: facts.identity.migration,
                roles: facts.roles,
                rows: facts.rows,
                months: months,
                files: try Checksum.files(in: path)
            )
            try manifest.write(path)
        } catch {
            try? FileManager.default.removeItem(atPath: path)
            throw error
        }
        return try folder.find(name)
    }

    /// Closed months, each as it lies in the archive, or as it is put there now.
    private func archive(_ facts: BackupFacts, _ programs: PostgresPrograms) async throws -> [BackupManifest.Month] {
        var months: [BackupManifest.Month] = []
        let known = try folder.months()
        for month in facts.closedMonths {
            let entry: BackupFolder.Entry
            if let there = known.last(where: { Self.isCurrent($0.manifest, month, facts) && isWhole($0) }) {
                entry = there
            } else {
                entry = try await archive(month, facts, programs)
            }
            let sum = try Checksum.file("\(entry.path)/\(BackupManifest.fileName)")
            months.append(BackupManifest.Month(table: month.table, folder: entry.name, sha256: sum.sha256))
        }
        return months
    }

    /// The same database and tables, the same number of rows, nothing changed, nothing deleted, and nothing come late since.
    static func isCurrent(_ manifest: BackupManifest?, _ month: ClosedMonth, _ facts: BackupFacts) -> Bool {
        guard let manifest, manifest.kind == .month, manifest.database == facts.identity.key,
            manifest.migration == facts.identity.migration, let rows = manifest.rows[month.table], rows == facts.rows[month.table],
            let made = Timestamp(rfc3339: manifest.createdAt)
        else { return false }
        let limit = Timestamp(microsecondsSince1970: made.microsecondsSince1970 - margin)
        return [month.alteredAt, month.lastReceivedAt].compactMap(\.self).allSatisfy { $0 < limit }
    }

    /// What was damaged on the disk is archived anew. Reading it costs less than counting the month's rows did.
    private func isWhole(_ entry: BackupFolder.Entry) -> Bool {
        guard let manifest = entry.manifest else { return false }
        do {
            try Checksum.verify(manifest, in: entry.path)
            return true
        } catch {
            progress("\(error)")
            return false
        }
    }

    private func archive(_ month: ClosedMonth, _ facts: BackupFacts, _ programs: PostgresPrograms) async throws -> BackupFolder.Entry {
        let archive = BackupFolder(path: folder.monthsPath)
        let name = archive.newName(facts.asOf, suffix: "-\(month.table)")
        let path = "\(archive.path)/\(name)"
        let rows = facts.rows[month.table] ?? 0
        progress("\(month.table): \(rows) rows into the archive")
        try archive.begin(name)
        do {
            try await programs.run(
                "pg_dump",
                [
                    "--format=directory", "--data-only", "--table=sluice.\(month.table)", "--snapshot=\(facts.snapshot)",
                    "--lock-wait-timeout=30000", "--file=\(path)/dump",
                ]
            )
            let manifest = BackupManifest(
                kind: .month,
                createdAt: facts.asOf.rfc3339(),
                database: facts.identity.key,
                databaseName: facts.identity.name,
                migration: facts.identity.migration,
                rows: [month.table: rows],
                files: try Checksum.files(in: path)
            )
            try manifest.write(path)
        } catch {
            try? FileManager.default.removeItem(atPath: path)
            throw error
        }
        return try archive.find(name)
    }
}
