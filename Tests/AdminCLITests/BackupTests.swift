import EventStore
import Foundation
import LocalCluster
import Postgres
import TestSupport
import Testing

@testable import AdminCLI

/// Backups by the real tool: what comes back is what was there.
@Suite struct BackupTests {
    /// Every table's rows, hashed, in the order of their texts.
    /// But for what the backup itself is written down in.
    private func contents(_ cluster: TestCluster, _ database: String) async throws -> String {
        let tables = try await cluster.psql(
            """
            SELECT string_agg(format('SELECT %L, count(*), md5(string_agg(md5(r::text), '''' ORDER BY md5(r::text))) FROM sluice.%I r',
                                     relname, relname), ' UNION ALL ' ORDER BY relname)
            FROM pg_class WHERE relnamespace = 'sluice'::regnamespace AND relkind = 'r' AND relname <> 'maintenance'
            """,
            database: database
        )
        return try await cluster.psql("SET timezone = 'UTC'; \(tables) ORDER BY 1", database: database)
    }

    private func name(_ url: String) -> String { String(url.split(separator: "/").last?.prefix { $0 != "?" } ?? "") }

    private func backups(_ tool: CommandLineTool) async throws -> [[String: Any]] {
        try #require(try await tool.json("backup", "list") as? [[String: Any]])
    }

    @Test func restoresIntoAnEmptyClusterRowForRow() async throws {
        let cluster = try await TestCluster.startPrivate()
        let filled = try await FilledDatabase.make(in: cluster)
        let tool = try await CommandLineTool.make(filled.adminURL)
        #expect(try await tool.run("tenant", "create", "initech", "--name", "Initech").status == .exited(0))
        let opened = try await tool.run("tenant", "sql-access", "initech", "--password-file", "\(tool.home)/password")
        #expect(opened.status == .exited(0), "\(opened.output)")
        let before = try await contents(cluster, name(filled.adminURL))
        #expect(before.contains("events_") && before.split(separator: "\n").count > 20)
        let made = try await tool.run("backup", "create", "--jobs", "2")
        #expect(made.status == .exited(0), "\(made.output)")
        let listed = try #require(try await backups(tool).first)
        #expect(listed["rows"] as? Int ?? 0 > 1_400 && listed["archived_months"] as? Int == 6 && listed["complete"] as? Bool == true)
        let backup = try #require(listed["name"] as? String)

        // A cluster that has never seen a role of ours, and a database that is not there.
        let other = try await TestCluster.startPrivate()
        let target = other.url(role: TestCluster.superuser, database: "restored")
        let restorer = CommandLineTool(database: target, home: tool.home)
        let restored = try await restorer.run("backup", "restore", backup, "--jobs", "2")
        #expect(restored.status == .exited(0), "\(restored.output)")
        #expect(try await contents(other, "restored") == before)
        #expect(try await other.psql("SELECT count(*) FROM sluice.check_isolation()", database: "restored") == "0")
        let rotated = try await restorer.run("tenant", "sql-access", "initech", "--rotate", "--password-file", "\(tool.home)/new-password")
        #expect(rotated.status == .exited(0), "as documented: \(rotated.output)")
        #expect(try await other.psql("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'sluice_sql_initech'") == "t")
        let again = try await restorer.run("backup", "restore", backup)
        #expect(again.status == .exited(1) && again.output.contains("already"), "never over what is there: \(again.output)")
        try await other.remove()

        // And into the same cluster, after the worst.
        try await cluster.psql("DROP DATABASE \(name(filled.adminURL)) WITH (FORCE)")
        let back = try await tool.run("backup", "restore", backup)
        #expect(back.status == .exited(0), "\(back.output)")
        #expect(try await contents(cluster, name(filled.adminURL)) == before)
        try await cluster.remove()
        tool.remove()
    }

    @Test func archivesAClosedMonthOnceUntilItChanges() async throws {
        let filled = try await FilledDatabase.make()
        let tool = try await CommandLineTool.make(filled.adminURL)
        func archives() -> Set<String> {
            Set((try? FileManager.default.contentsOfDirectory(atPath: "\(tool.home)/backups/months")) ?? [])
        }
        // Nothing has changed for long: an hour's margin is kept for what was in flight.
        try await filled.psql("UPDATE months SET altered_at = now() - interval '2 hours' WHERE altered_at IS NOT NULL")
        #expect(try await tool.run("backup", "create").status == .exited(0))
        let first = archives()
        #expect(first.count == 6)
        #expect(try await tool.run("backup", "create").status == .exited(0))
        #expect(archives() == first)
        let changed = try await filled.psql(
            """
            UPDATE events SET extra = '{"changed": true}' WHERE occurred_at IN (SELECT min(occurred_at) FROM events) RETURNING to_char(
                occurred_at AT TIME ZONE 'UTC', 'YYYY_MM')
            """
        )
        #expect(try await tool.run("backup", "create").status == .exited(0))
        let added = archives().subtracting(first)
        #expect(added.count == 1 && added.first?.contains(changed.prefix(7)) == true, "\(added) \(changed)")
        #expect(try await backups(tool).count == 3)
        tool.remove()
    }

    @Test func seesADamagedFileBeforeItTouchesTheDatabase() async throws {
        let filled = try await FilledDatabase.make()
        let tool = try await CommandLineTool.make(filled.adminURL)
        #expect(try await tool.run("backup", "create").status == .exited(0))
        #expect(try await tool.run("backup", "list", "--verify").status == .exited(0))
        let backup = try #require(try await backups(tool).first?["name"] as? String)
        let month = try #require(try FileManager.default.contentsOfDirectory(atPath: "\(tool.home)/backups/months").first)
        let folder = "\(tool.home)/backups/months/\(month)/dump"
        let file = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasSuffix(".gz") })
        var bytes = try #require(FileManager.default.contents(atPath: "\(folder)/\(file)"))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(filePath: "\(folder)/\(file)"))
        let verified = try await tool.run("backup", "list", "--verify")
        #expect(verified.status == .exited(1) && verified.output.contains(backup) && verified.output.contains(month), "\(verified.output)")
        let empty = CommandLineTool(database: try await TestCluster.shared().makeDatabase(), home: tool.home)
        let run = try await empty.run("backup", "restore", backup)
        #expect(run.status == .exited(1) && run.output.contains("damaged"), "\(run.output)")

        // The next backup does without the damaged month, and the first one never again.
        let months = { Set(try FileManager.default.contentsOfDirectory(atPath: "\(tool.home)/backups/months")) }
        let before = try months()
        try await filled.psql("UPDATE months SET altered_at = now() - interval '2 hours' WHERE altered_at IS NOT NULL")
        let second = try await tool.run("backup", "create")
        #expect(second.status == .exited(0) && second.output.contains("damaged"), "\(second.output)")
        #expect(try months().subtracting(before).map { $0.suffix(14) } == [month.suffix(14)])
        let folder2 = BackupFolder(path: "\(tool.home)/backups")
        let all = try folder2.backups()
        var check = BackupCheck()
        #expect(check.faults(all).count == 1 && check.faults([all[1]]).isEmpty)
        // A manifest that names a month which is not there, or is another one.
        let named = try #require(all[1].manifest?.months.first?.folder)
        try FileManager.default.moveItem(atPath: "\(folder2.monthsPath)/\(named)", toPath: "\(tool.home)/elsewhere")
        check = BackupCheck()
        #expect(check.faults([all[1]]).first?.contains("is missing") == true)
        try Data("{".utf8).write(to: URL(filePath: "\(all[1].path)/manifest.json"))
        #expect(try await tool.run("backup", "list", "--verify").output.contains("cannot be read"))
        tool.remove()
    }

    @Test func prunesOldBackupsButNeverTheNewestAndNoMonthThatIsNamed() async throws {
        let filled = try await FilledDatabase.make()
        let tool = try await CommandLineTool.make(filled.adminURL)
        for _ in 0..<2 { #expect(try await tool.run("backup", "create").status == .exited(0)) }
        let folder = BackupFolder(path: "\(tool.home)/backups")
        #expect(try folder.prune(olderThan: 30, now: Date()) == .init())
        let names = try folder.backups().map(\.name)
        let later = Date(timeIntervalSinceNow: 31 * 86_400)
        let pruned = try #require(try folder.prune(olderThan: 30, now: later)).deleted
        #expect(pruned.contains(names[0]) && !pruned.contains(names[1]))
        let newest = try #require(try folder.backups().first?.manifest)
        #expect(Set(try folder.months().map(\.name)) == Set(newest.months.map(\.folder)))
        // What did not come to its end goes when it is a day old.
        try folder.begin("20200101T000000Z")
        #expect(try folder.prune(olderThan: 30, now: Date()) == .init())
        #expect(try folder.prune(olderThan: 30, now: later)?.deleted == ["20200101T000000Z"])
        let asked = try await tool.run("backup", "prune")
        #expect(asked.status == .exited(64) && asked.output.contains("--yes"), "\(asked.output)")
        #expect(try await tool.run("backup", "prune", "--yes").status == .exited(0))
        tool.remove()
    }

    @Test func prunesNothingButItsOwn() throws {
        let home = FileManager.default.temporaryDirectory.appending(path: "sluice-prune-\(UUID().uuidString)").path(percentEncoded: false)
        defer { try? FileManager.default.removeItem(atPath: home) }
        let folder = BackupFolder(path: home)
        try folder.make()
        func write(_ text: String, _ path: String) throws {
            let file = URL(filePath: "\(home)/\(path)")
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        var manifest = BackupManifest(
            kind: .full,
            createdAt: "2020-01-01T00:00:00Z",
            database: "1/1",
            databaseName: "d",
            migration: 1,
            rows: [:],
            files: []
        )
        for (name, format) in [("20200101T000000Z", 1), ("20200101T000001Z", 1), ("20200102T000000Z", 99), ("before the upgrade", 1)] {
            try folder.begin(name)
            manifest.format = format
            manifest.createdAt = name == "20200101T000001Z" ? "2020-01-01T00:00:01Z" : "2020-01-01T00:00:00Z"
            try manifest.write("\(home)/\(name)")
        }
        try write("photos", "holiday/1.jpg")
        try write("a note", "20200103T000000Z/note.txt")
        try write("{", "20200104T000000Z/manifest.json")
        try write("a web page's", "months/site/manifest.json.draft")
        try folder.begin("20200105T000000Z-acme")
        try BackupFolder(path: folder.monthsPath).begin("20200101T000000Z-events_2019_10")
        let later = Date(timeIntervalSinceNow: 31 * 86_400)

        let writing = try #require(try BackupFolderLock(home, for: .writing))
        #expect(try folder.prune(olderThan: 30, now: later) == nil, "what is being written is not looked at, however long it takes")
        writing.release()
        // The newer manifest may name any month.
        #expect(try folder.prune(olderThan: 30, now: later)?.deleted == ["20200101T000000Z", "20200105T000000Z-acme"])
        for name in ["20200102T000000Z", "20200104T000000Z"] { try FileManager.default.removeItem(atPath: "\(home)/\(name)") }
        #expect(try folder.prune(olderThan: 30, now: later)?.deleted == ["months/20200101T000000Z-events_2019_10"])
        #expect(
            Set(try FileManager.default.contentsOfDirectory(atPath: home))
                == ["20200101T000001Z", "20200103T000000Z", "before the upgrade", "holiday", "lock", "months"]
        )
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.monthsPath) == ["site"])
    }

    @Test func goesOnWhereOneCannotBeDeleted() throws {
        let home = FileManager.default.temporaryDirectory.appending(path: "sluice-prune-\(UUID().uuidString)").path(percentEncoded: false)
        defer { try? FileManager.default.removeItem(atPath: home) }
        let folder = BackupFolder(path: home)
        try folder.make()
        for day in 1...3 {
            let manifest = BackupManifest(
                kind: .full,
                createdAt: "2020-01-0\(day)T00:00:00Z",
                database: "1/1",
                databaseName: "d",
                migration: 1,
                rows: [:],
                files: []
            )
            try folder.begin("2020010\(day)T000000Z")
            try manifest.write("\(home)/2020010\(day)T000000Z")
        }
        // A folder where the draft would be: nobody can rename the manifest to it, not even root.
        try FileManager.default.createDirectory(
            atPath: "\(home)/20200101T000000Z/\(BackupManifest.draftName)",
            withIntermediateDirectories: false
        )
        let pruned = try #require(try folder.prune(olderThan: 30, now: Date()))
        #expect(pruned.deleted == ["20200102T000000Z"])
        #expect(pruned.left.count == 1 && pruned.left[0].contains("20200101T000000Z"), "\(pruned.left)")
        #expect(try folder.find("20200101T000000Z").manifest != nil, "it is a whole backup still")
    }

    @Test func exportsOneTenantAndPutsItBackAlone() async throws {
        let filled = try await FilledDatabase.make()
        let cluster = try await TestCluster.shared()
        let tool = try await CommandLineTool.make(filled.adminURL)
        // Of a source that was deleted.
        try await filled.psql(
            "UPDATE events SET source_id = 9000 WHERE tenant_id = 1 AND id = (SELECT id FROM events WHERE tenant_id = 1 LIMIT 1); SELECT 1"
        )
        let before = try await contents(cluster, name(filled.adminURL))
        let made = try await tool.run("backup", "create", "--tenant", "acme")
        #expect(made.status == .exited(0), "\(made.output)")
        let retention = try await filled.connect()
        try await retention.withSessionLock(SessionLock.months) {
            let busy = try await tool.run("backup", "create", "--tenant", "acme")
            #expect(busy.status == .exited(1) && busy.output.contains("under way"), "\(busy.output)")
        }
        await retention.close()
        let listed = try #require(try await backups(tool).first)
        #expect(listed["kind"] as? String == "tenant acme" && listed["rows"] as? Int == 708, "\(listed)")
        let backup = try #require(listed["name"] as? String)
        let taken = try await tool.run("backup", "restore", backup, "--tenant", "acme")
        #expect(taken.status == .exited(1) && taken.output.contains("acme"), "never over what is there: \(taken.output)")

        #expect(try await tool.run("tenant", "delete", "acme", "--yes").status == .exited(0))
        #expect(try await filled.psql("SELECT count(*) FROM events") == "700")
        try await filled.psql("UPDATE tenants SET retention_days = 1; SELECT 1")
        #expect(try await tool.run("retention", "run", "--yes").status == .exited(0))
        try await filled.psql("UPDATE tenants SET retention_days = 3650")
        let restored = try await tool.run("backup", "restore", backup, "--tenant", "acme")
        #expect(restored.status == .exited(0), "\(restored.output)")
        let of = "JOIN tenants t USING (tenant_id) WHERE t.slug = 'acme'"
        #expect(try await filled.psql("SELECT count(*), count(DISTINCT (occurred_at, id)) FROM events \(of)") == "700|700")
        // Its number is still in the audit log, and may be in rows of those days that nobody knows of.
        #expect(try await filled.psql("SELECT tenant_id FROM tenants WHERE slug = 'acme'") == "3")
        for (table, rows) in [
            ("sources", 1), ("schemas", 1), ("schema_slots", 1), ("api_keys", 1), ("quarantine", 1), ("remembered_ids", 1),
        ] {
            #expect(try await filled.psql("SELECT count(*) FROM \(table) \(of)") == "\(rows)", "\(table)")
        }
        #expect(try await filled.psql("SELECT count(*) FROM sluice.check_isolation()") == "0")
        #expect(try await tool.run("source", "create", "acme", "another", "--profile", "generic").status == .exited(0))
        #expect(before.contains("events_"))

        // Beside other tenants with the same numbers, it gets another one, and its next source none that its events still have.
        let elsewhere = try await FilledDatabase.make()
        let there = CommandLineTool(database: elsewhere.adminURL, home: tool.home)
        try await elsewhere.psql("UPDATE tenants SET slug = 'initech' WHERE slug = 'acme'; DELETE FROM api_keys WHERE key_id LIKE '%1'")
        let moved = try await there.run("backup", "restore", backup, "--tenant", "acme")
        #expect(moved.status == .exited(0), "\(moved.output)")
        #expect(
            try await elsewhere.psql("SELECT slug, count(*) FROM events JOIN tenants USING (tenant_id) GROUP BY 1 ORDER BY 1")
                == "acme|700\nglobex|700\ninitech|700"
        )
        #expect(try await there.run("source", "create", "acme", "another").status == .exited(0))
        #expect(try await elsewhere.psql("SELECT source_id > 9000 FROM sources WHERE slug = 'another'") == "t")
        tool.remove()
    }

    @Test func keepsPasswordsOutOfArguments() throws {
        let configuration = try ConnectionConfiguration(url: "postgresql://user:s3cret@db.example:5433/events?sslmode=require")
        let environment = configuration.childEnvironment
        #expect(environment["PGPASSWORD"] == "s3cret" && environment["PGHOST"] == "db.example" && environment["PGPORT"] == "5433")
        #expect(environment["PGUSER"] == "user" && environment["PGDATABASE"] == "events" && environment["PGSSLMODE"] == "require")
        #expect(configuration.onDatabase("postgres").childEnvironment["PGDATABASE"] == "postgres")
    }

    @Test func refusesALoginThatWouldDumpMonthsEmpty() async throws {
        let filled = try await FilledDatabase.make()
        let cluster = try await TestCluster.shared()
        let owner = cluster.url(role: "sluice_owner", database: name(filled.adminURL))
        try await cluster.psql("ALTER ROLE sluice_owner LOGIN")
        let tool = try await CommandLineTool.make(owner)
        let run = try await tool.run("backup", "create")
        #expect(run.status == .exited(1) && run.output.contains("superuser"), "\(run.output)")
        try await cluster.psql("ALTER ROLE sluice_owner NOLOGIN")
        tool.remove()
    }
}
