import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

@Suite(.fewAtOnce) struct DoctorTests {
    private func examine(_ database: MigratedDatabase, _ checks: [any DoctorCheck]) async throws -> [CheckResult] {
        let connection = try await database.connect()
        let results = await Doctor(connection: connection, checks: checks, timeout: .seconds(30)).examine()
        await connection.close()
        return results
    }

    private func failures(_ results: [CheckResult]) -> [String] {
        results.filter { $0.verdict != .ok }.map { "\($0.check) \($0.verdict) \($0.finding)" }
    }

    @Test func isContentWithAMigratedDatabaseAndLeavesNothingInIt() async throws {
        let database = try await MigratedDatabase.make()
        let contents = """
            SELECT (SELECT count(*) FROM tenants), (SELECT count(*) FROM events), (SELECT count(*) FROM audit_log),
                   (SELECT last_value FROM tenants_tenant_id_seq), (SELECT is_called FROM tenants_tenant_id_seq)
            """
        let before = try await database.psql(contents)
        let results = try await examine(database, [MonthsCheck(), ClockCheck(), ManifestCheck(), IsolationTrial()])
        #expect(failures(results) == [])
        #expect(results.count { $0.check == "isolation" } == 4, "one for each role")
        #expect(try await database.psql(contents) == before)
    }

    @Test(arguments: [
        ("ALTER TABLE events DISABLE ROW LEVEL SECURITY", "sluice_reader saw another tenant's row in sluice.events"),
        ("ALTER POLICY reader_own_tenant ON schemas USING (true)", "sluice_reader saw any row without a tenant in sluice.schemas"),
        (
            "ALTER POLICY reader_own_tenant ON sources USING (tenant_id > 0)",
            "sluice_reader does not see its own row in sluice.sources (rows 0)"
        ),
        ("GRANT SELECT ON %month% TO sluice_reader", "sluice_reader was not refused: SELECT on sluice.%month% (rows 0)"),
        (
            "ALTER TABLE %month% DISABLE ROW LEVEL SECURITY; GRANT INSERT ON %month% TO sluice_writer",
            "sluice_writer was not refused: INSERT on sluice.%month% (23502)"
        ),
        ("GRANT UPDATE ON tenants TO sluice_reader", "sluice_reader was not refused: UPDATE on sluice.tenants (rows 0)"),
        ("GRANT SELECT ON api_keys TO sluice_api", "sluice_api was not refused: SELECT on sluice.api_keys (rows 0)"),
        ("GRANT DELETE ON remembered_ids TO PUBLIC", "sluice_writer was not refused: DELETE on sluice.remembered_ids (rows 0)"),
    ])
    func provesThatAProtectionIsGone(harm: String, finding: String) async throws {
        let database = try await MigratedDatabase.make()
        let month = "events_" + (try await database.psql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')"))
        try await database.psql(harm.replacing("%month%", with: month))
        let found = failures(try await examine(database, [IsolationTrial()]))
        #expect(found.contains("isolation fail \(finding.replacing("%month%", with: month))"), "\(found)")
        #expect(!failures(try await examine(database, [ManifestCheck()])).isEmpty, "and the manifest tells so too")
    }

    /// A later migration's table is tried without anybody's thinking of it.
    @Test func triesTheTablesOfLaterMigrationsToo() async throws {
        let database = try await MigratedDatabase.make()
        try await database.psql(
            """
            SET ROLE sluice_owner;
            CREATE TABLE notes (tenant_id int); INSERT INTO notes VALUES (1);
            GRANT SELECT ON notes TO sluice_reader; GRANT INSERT ON notes TO sluice_writer;
            INSERT INTO manifest VALUES ('notes', 'table', 'guarded'), ('notes', 'grant', 'SELECT TO sluice_reader')
            """
        )
        let found = failures(try await examine(database, [IsolationTrial()]))
        #expect(found.contains("isolation fail sluice_reader saw another tenant's row in sluice.notes"), "\(found)")
        #expect(found.contains("isolation fail sluice_writer was not refused: INSERT on sluice.notes (rows 1)"), "\(found)")
    }

    @Test func saysWhatIsMissingInsteadOfPassing() async throws {
        let empty = try await TestCluster.shared().makeDatabase()
        let connection = try await Connection.connect(try ConnectionConfiguration(url: empty), deadline: .now + .seconds(10))
        let results = await Doctor(connection: connection, checks: [ManifestCheck(), IsolationTrial(), MonthsCheck()]).examine()
        await connection.close()
        #expect(results.map(\.verdict) == [.fail, .fail, .fail])
        #expect(results.allSatisfy { $0.advice == "run sluice migrate" }, "\(results)")
    }

    @Test func takesARoleItMayNotTakeForNoProof() async throws {
        let database = try await MigratedDatabase.make()
        let connection = try await database.connect()
        try await connection.executeScript(
            """
            DO $$ BEGIN
                CREATE ROLE doctor_of_little;
            EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            GRANT sluice_owner TO doctor_of_little;
            SET SESSION AUTHORIZATION doctor_of_little;
            """,
            deadline: .now + .seconds(10)
        )
        let results = await Doctor(connection: connection, checks: [IsolationTrial()]).examine()
        await connection.close()
        #expect(results.map(\.verdict) == [.fail] && results.first?.advice.contains("DATABASE_ADMIN_URL") == true, "\(results)")
    }

    @Test func findsAMonthThatIsNotThere() async throws {
        let database = try await MigratedDatabase.make()
        let next = try await database.psql("SELECT to_char((now() AT TIME ZONE 'UTC') + interval '1 month', 'YYYY_MM')")
        try await database.psql("DROP TABLE quarantine_\(next)")
        let results = try await examine(database, [MonthsCheck()])
        #expect(failures(results) == ["months fail not there: quarantine_\(next)"])
    }

    @Test func readsSettingsAsTheAPIWouldGetThem() async throws {
        let database = try await MigratedDatabase.make()
        let results = try await examine(database, [ServerCheck()])
        let verdicts = Dictionary(results.map { ($0.check, "\($0.verdict) \($0.finding)") }, uniquingKeysWith: { first, _ in first })
        #expect(verdicts["version"]?.hasPrefix("ok PostgreSQL ") == true)
        #expect(verdicts["fsync"] == "fail off", "the tests' own cluster is not to be trusted with anything")
        #expect(verdicts["synchronous_commit"] == "fail off" && verdicts["full_page_writes"] == "warn off")
        #expect(verdicts["idle_in_transaction_session_timeout"] == "ok 5 s for sluice_api")
        #expect(verdicts["tcp_user_timeout"] == "ok 10 s for sluice_api" && verdicts["tcp_keepalives_idle"] == "ok 5 s for sluice_api")
        let name = try await database.psql("SELECT current_database()")
        try await database.psql("ALTER ROLE sluice_api IN DATABASE \(name) SET tcp_user_timeout = '2min'")
        let worse = try await examine(database, [ServerCheck()])
        #expect(worse.first { $0.check == "tcp_user_timeout" }?.finding == "120 s for sluice_api")
        #expect(worse.first { $0.check == "tcp_user_timeout" }?.verdict == .warn)
    }

    @Test(arguments: [
        ("5s", "ms", Duration.seconds(5)), ("5000", "ms", .seconds(5)), ("5", "s", .seconds(5)), ("2min", "ms", .seconds(120)),
        ("0", "ms", .zero), ("1 h", "s", .seconds(3600)),
    ])
    func readsATimeAsPostgreSQLWritesIt(text: String, unit: String, time: Duration) {
        #expect(Duration(setting: text, unit: unit) == time)
    }

    @Test(arguments: ["", "s", "-1", "5 weeks", "99999999999999999999s", "9223372036854775807h"])
    func readsNothingElseAsATime(text: String) {
        #expect(Duration(setting: text, unit: "ms") == nil)
    }

    @Test func knowsWhichServersAreTooOld() {
        #expect(ServerCheck.version("130012").verdict == .fail)
        #expect(ServerCheck.version("140000").verdict == .ok)
        #expect(ServerCheck.version("150018").finding == "PostgreSQL 15.18")
        #expect(ServerCheck.version(nil).verdict == .fail)
    }
}
