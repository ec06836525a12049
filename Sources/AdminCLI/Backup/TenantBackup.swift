import EventCore
import EventStore
import Foundation
import Postgres

/// One tenant's rows in files of COPY's text format, a table each, and back beside the tenants that are there.
struct TenantBackup: Sendable {
    let configuration: ConnectionConfiguration
    let folder: BackupFolder
    let progress: @Sendable (String) -> Void

    func create(slug: String, _ connection: Connection) async throws -> BackupFolder.Entry {
        let administration = Administration(connection: connection, actor: AdminSettings.actor)
        guard let tenant = try await administration.tenant(slug: slug) else {
            throw Failure("there is no tenant \(slug); sluice tenant list shows all")
        }
        return try await folder.write(from: connection) { try await copy(tenant, $0, connection) }
    }

    private func copy(_ tenant: TenantRecord, _ source: BackupSource, _ connection: Connection) async throws -> BackupFolder.Entry {
        let moment = try await source.beginMoment()
        let name = folder.newName(moment.asOf, suffix: "-\(tenant.slug)")
        let path = "\(folder.path)/\(name)"
        do {
            try folder.begin(name)
        } catch {
            await source.end()
            throw error
        }
        do {
            let copy = TenantCopy(connection)
            let tables = try await copy.tables()
            for table in tables {
                let file = try WrittenFile("\(path)/\(table.name).copy")
                try await copy.rows(of: tenant.id, in: table) { try file.write($0) }
                try file.close()
            }
            let manifest = BackupManifest(
                kind: .tenant,
                createdAt: moment.asOf.rfc3339(),
                database: moment.identity.key,
                databaseName: moment.identity.name,
                migration: moment.identity.migration,
                rows: try await copy.counts(of: tenant.id),
                files: try Checksum.files(in: path),
                tenant: tenant.slug,
                columns: tables.map { BackupManifest.Columns(table: $0.name, names: $0.columns) }
            )
            try manifest.write(path)
            await source.end()
        } catch {
            await source.end()
            try? FileManager.default.removeItem(atPath: path)
            throw error
        }
        return try folder.find(name)
    }

    /// - Returns: rows by table, as they were counted in the database.
    func restore(_ entry: BackupFolder.Entry, slug: String, _ connection: Connection) async throws -> [String: Int] {
        guard let manifest = entry.manifest, manifest.kind == .tenant, manifest.tenant == slug, let columns = manifest.columns else {
            throw Failure("\(entry.name) is no backup of \(slug) alone; make one with sluice backup create --tenant \(slug)")
        }
        let administration = Administration(connection: connection, actor: AdminSettings.actor)
        guard try await administration.tenant(slug: slug) == nil else {
            throw Failure("there is a tenant \(slug) already: a restore never writes over one")
        }
        try Checksum.verify(manifest, in: entry.path)
        let copy = TenantCopy(connection)
        let tables = columns.map { TenantTable(name: $0.table, columns: $0.names) }
        let known = try await copy.tables()
        guard Set(tables.map(\.name)).isSubset(of: known.map(\.name)) else {
            throw Failure("\(entry.name) has tables that this database has not: run sluice migrate, or use a newer sluice")
        }
        let script = FileManager.default.temporaryDirectory.appending(path: "sluice-restore-\(UUID().uuidString).sql").path(
            percentEncoded: false
        )
        defer { unlink(script) }
        let file = try WrittenFile(script)
        try file.write(Array(TenantCopy.script(tables, now: known).utf8))
        try file.close()
        progress("\(slug): \(manifest.totalRows) rows")
        let programs = try await PostgresPrograms(configuration, serverVersion: nil)
        try await programs.run(
            "psql",
            ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", script, "-d", programs.database],
            directory: entry.path
        )
        guard let tenant = try await administration.tenant(slug: slug) else { throw Failure("\(slug) is not there after all") }
        let rows = try await copy.counts(of: tenant.id)
        let different = manifest.rows.keys.filter { rows[$0] != manifest.rows[$0] }.sorted()
        guard different.isEmpty else {
            throw Failure("the restored rows are not those of the backup in: \(different.joined(separator: ", "))")
        }
        try await administration.record(action: "tenant.restore", target: slug)
        return rows
    }
}
