import Foundation
import LocalCluster
import Postgres
import TestSupport
import Testing

@testable import Migrations

@Suite(.fewAtOnce) struct MigratorTests {
    private let deadline = ContinuousClock.now + .seconds(60)

    private func emptyDatabase() async throws -> String {
        try await TestCluster.shared().makeDatabase()
    }

    private func connect(_ url: String) async throws -> Connection {
        try await Connection.connect(try ConnectionConfiguration(url: url), deadline: deadline)
    }

    @Test func numbersItsFilesFromOneWithoutGaps() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let files = try FileManager.default.contentsOfDirectory(atPath: root.appending(path: "sql").path(percentEncoded: false))
        #expect(files.allSatisfy { Migration(fileName: $0, sql: "") != nil }, "every file of sql/ is named NNNN_name.sql: \(files)")
        #expect(Migration.all.map(\.number) == (1...Int32(files.count)).map { $0 })
    }

    @Test func appliesEverythingOnceAndSaysSo() async throws {
        let connection = try await connect(emptyDatabase())
        let migrator = Migrator(connection: connection)
        let before = try await migrator.status(deadline: deadline)
        #expect(before.allSatisfy { $0.state == .pending && $0.appliedAt == nil } && !before.isEmpty)
        #expect(try await migrator.migrate(deadline: deadline).map(\.number) == Migration.all.map(\.number))
        #expect(try await migrator.migrate(deadline: deadline).isEmpty)
        let after = try await migrator.status(deadline: deadline)
        #expect(after.allSatisfy { $0.state == .applied && $0.appliedAt != nil })
        await connection.close()
    }

    @Test func letsOneOfTenProcessesWorkWhileNineWait() async throws {
        let url = try await emptyDatabase()
        let program = try BuiltProgram.path("sluice")
        let outputs = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 1...10 {
                group.addTask {
                    let environment = ["DATABASE_ADMIN_URL": url, "PATH": "/usr/bin:/bin"]
                    let run = try await ProcessSpawner.shared.run(
                        ChildCommand(program, ["migrate", "--output", "json"], environment: environment)
                    )
                    #expect(run.status == .exited(0), "\(run.output)")
                    return run.output
                }
            }
            return try await group.reduce(into: [String]()) { $0.append($1) }
        }
        #expect(outputs.count == 10)
        // Which process applies which migration is chance; each is applied by one.
        for migration in Migration.all {
            #expect(outputs.count { $0.contains("\"name\" : \"\(migration.name)\"") } == 1)
        }
    }

    @Test func refusesAnEditedFile() async throws {
        let url = try await emptyDatabase()
        let connection = try await connect(url)
        let original = try #require(Migration(fileName: "0001_first.sql", sql: "SELECT 1"))
        let edited = try #require(Migration(fileName: "0001_first.sql", sql: "SELECT 2"))
        _ = try await Migrator(connection: connection, migrations: [original]).migrate(deadline: deadline)
        let error = await #expect(throws: MigrationError.self) {
            _ = try await Migrator(connection: connection, migrations: [edited]).migrate(deadline: deadline)
        }
        #expect(error?.code == .edited)
        #expect(error?.description.contains("0001") == false && error?.description.contains("migration 1 (first)") == true)
        let status = try await Migrator(connection: connection, migrations: [edited]).status(deadline: deadline)
        #expect(status.map(\.state) == [.edited])
        await connection.close()
    }

    @Test func refusesAHistoryWithAHole() async throws {
        let connection = try await connect(emptyDatabase())
        let first = try #require(Migration(fileName: "0001_first.sql", sql: "SELECT 1"))
        let second = try #require(Migration(fileName: "0002_second.sql", sql: "SELECT 2"))
        _ = try await Migrator(connection: connection, migrations: [second]).migrate(deadline: deadline)
        let error = await #expect(throws: MigrationError.self) {
            _ = try await Migrator(connection: connection, migrations: [first, second]).migrate(deadline: deadline)
        }
        #expect(error?.code == .gap)
        await connection.close()
    }

    @Test func leavesANewerDatabaseAlone() async throws {
        let connection = try await connect(emptyDatabase())
        let first = try #require(Migration(fileName: "0001_first.sql", sql: "SELECT 1"))
        let second = try #require(Migration(fileName: "0002_second.sql", sql: "SELECT 2"))
        _ = try await Migrator(connection: connection, migrations: [first, second]).migrate(deadline: deadline)
        let older = Migrator(connection: connection, migrations: [first])
        #expect(try await older.migrate(deadline: deadline).isEmpty)
        #expect(try await older.status(deadline: deadline).map(\.state) == [.applied, .unknown])
        await connection.close()
    }

    @Test func keepsNothingOfAMigrationThatFails() async throws {
        let connection = try await connect(emptyDatabase())
        let good = try #require(Migration(fileName: "0001_good.sql", sql: "CREATE TABLE sluice.good ()"))
        let bad = try #require(Migration(fileName: "0002_bad.sql", sql: "CREATE TABLE sluice.bad (); SELECT 1 / 0"))
        await #expect(throws: PostgresError.self) {
            _ = try await Migrator(connection: connection, migrations: [good, bad]).migrate(deadline: deadline)
        }
        let status = try await Migrator(connection: connection, migrations: [good, bad]).status(deadline: deadline)
        #expect(status.map(\.state) == [.applied, .pending])
        let bads = try await connection.execute(Query("SELECT 1 FROM pg_class WHERE relname = 'bad'"), deadline: deadline)
        #expect(bads.count == 0)
        await connection.close()
    }

    /// A column that is not sampled any more keeps what was found before, for as long as its month is there.
    @Test func samplesDocumentsOnWhereTheyHaveBeenSampled() async throws {
        let url = try await emptyDatabase()
        let connection = try await connect(url)
        _ = try await Migrator(connection: connection, migrations: Array(Migration.all.prefix(13))).migrate(deadline: deadline)
        try await connection.executeScript(
            """
            SET ROLE sluice_owner;
            SELECT sluice.make_partition('events', m::date) FROM unnest(ARRAY['2020-01-01', '2020-02-01', '2020-03-01']) m;
            ALTER TABLE sluice.events DETACH PARTITION sluice.events_2020_03;
            ANALYZE sluice.events_2020_01;
            RESET ROLE;
            """,
            deadline: deadline
        )
        #expect(try await Migrator(connection: connection).migrate(deadline: deadline).map(\.number).first == 14)
        let rows = try await connection.execute(
            Query(
                """
                SELECT string_agg(DISTINCT concat_ws(' ', a.attrelid::regclass, a.attname, a.attstattarget), ', ') FROM pg_attribute a
                WHERE a.attrelid::regclass::text ~ '^sluice.events_2020_0[0-9]$' AND a.attname IN ('actor', 'fields')
                """
            ),
            deadline: deadline
        )
        let targets = try rows.first?.decode(0, as: String.self)
        #expect(
            targets == """
                sluice.events_2020_01 actor 25, sluice.events_2020_01 fields 25, sluice.events_2020_02 actor 25, sluice.events_2020_02 fields 0, \
                sluice.events_2020_03 actor 25, sluice.events_2020_03 fields 0
                """
        )
        await connection.close()
    }

    @Test func needsNoSuperuser() async throws {
        let cluster = try await TestCluster.shared()
        let url = try await cluster.makeDatabase()
        let connection = try await connect(url)
        // Another role in the same session: CREATEROLE, and CREATE on this database.
        try await connection.executeScript(
            """
            DO $$ BEGIN
                CREATE ROLE migration_admin CREATEROLE;
                EXECUTE format('ALTER DATABASE %I OWNER TO migration_admin', current_database());
            END $$;
            SET SESSION AUTHORIZATION migration_admin;
            """,
            deadline: deadline
        )
        #expect(try await Migrator(connection: connection).migrate(deadline: deadline).count == Migration.all.count)
        await connection.close()
    }
}
