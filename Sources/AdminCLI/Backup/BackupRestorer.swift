import EventStore
import Foundation
import Migrations
import Postgres

/// Puts a whole backup into a database that has nothing of Sluice's, and counts every table afterwards.
struct BackupRestorer: Sendable {
    let configuration: ConnectionConfiguration
    let folder: BackupFolder
    let jobs: Int
    let progress: @Sendable (String) -> Void

    /// - Returns: rows by table, as they were counted in the database.
    func restore(_ entry: BackupFolder.Entry) async throws -> [String: Int] {
        guard let manifest = entry.manifest, manifest.kind == .full else {
            throw Failure("\(entry.name) is no whole backup of a database; sluice backup list shows which are")
        }
        guard manifest.migration <= Int(Migration.all.last?.number ?? 0) else {
            throw Failure("\(entry.name) has migration \(manifest.migration), which this sluice does not know: use a newer one")
        }
        progress("checking SHA-256 of \(manifest.files.count) files and \(manifest.months.count) archived months")
        var check = BackupCheck()
        let archives = try check.check(entry, manifest)
        let connection = try await connectToEmptyDatabase()
        do {
            let rows = try await fill(connection, manifest, entry, archives)
            await connection.close()
            return rows
        } catch {
            await connection.close()
            throw error
        }
    }

    private func connectToEmptyDatabase() async throws -> Connection {
        let connection: Connection
        do {
            connection = try await Connection.connect(configuration, deadline: .now + .seconds(10))
        } catch let error where error.sqlState == .invalidCatalogName {
            try await makeDatabase()
            connection = try await Connection.connect(configuration, deadline: .now + .seconds(10))
        }
        guard try await RestoreTarget(connection).isEmpty() else {
            await connection.close()
            throw Failure("that database has Sluice's tables already: name an empty one in DATABASE_ADMIN_URL, or drop this one first")
        }
        return connection
    }

    private func makeDatabase() async throws {
        guard let name = configuration.value(of: "dbname") else { throw Failure("DATABASE_ADMIN_URL names no database") }
        progress("making the database \(name)")
        let connection = try await Connection.connect(configuration.onDatabase("postgres"), deadline: .now + .seconds(10))
        do {
            try await Administration.createDatabase(name, on: connection)
            await connection.close()
        } catch {
            await connection.close()
            throw error
        }
    }

    private func fill(
        _ connection: Connection,
        _ manifest: BackupManifest,
        _ entry: BackupFolder.Entry,
        _ archives: [String]
    ) async throws -> [String: Int] {
        let programs = try await PostgresPrograms(configuration, serverVersion: nil)
        // Roles belong to the cluster and are in no dump of a database: the migrations make them, then give way to the dump.
        _ = try await Migrator(connection: connection).migrate(deadline: .now + .seconds(600))
        try await RestoreTarget(connection).makeRoom(roles: manifest.roles)
        func restore(_ section: String, _ path: String) async throws {
            try await programs.run(
                "pg_restore",
                [
                    "--format=directory", "--exit-on-error", "--jobs=\(jobs)", "--section=\(section)", "--dbname=\(programs.database)",
                    "\(path)/dump",
                ]
            )
        }
        progress("tables")
        try await restore("pre-data", entry.path)
        progress("rows")
        try await restore("data", entry.path)
        for (path, month) in zip(archives, manifest.months) {
            progress("rows of \(month.table)")
            try await restore("data", path)
        }
        progress("indexes and rights")
        try await restore("post-data", entry.path)
        let rows = try await BackupSource(connection).rows()
        guard rows == manifest.rows else {
            let different = Set(rows.keys).union(manifest.rows.keys).filter { rows[$0] != manifest.rows[$0] }.sorted()
            throw Failure("the restored rows are not those of the backup in: \(different.joined(separator: ", "))")
        }
        _ = try await Migrator(connection: connection).migrate(deadline: .now + .seconds(600))
        try await RestoreTarget(connection).analyze()
        return rows
    }
}
