import TestSupport
import Testing

/// The manifest says all that keeps tenants apart, and `sluice.check_isolation()` sees every difference from it.
@Suite(.fewAtOnce) struct ManifestTests {
    private static let findings = "SELECT severity, object, finding FROM sluice.check_isolation() ORDER BY 1, 2, 3"

    private func findings(after change: String = "") async throws -> [String] {
        let database = try await MigratedDatabase.make()
        return try await database.psql("\(change); \(Self.findings)").split(separator: "\n").map(String.init)
    }

    /// A migration that makes a table writes its row; without one nobody would notice when its protection goes.
    @Test func holdsEveryTable() async throws {
        let unknown = try await MigratedDatabase.make().psql(
            """
            SELECT c.relname FROM pg_class c
            WHERE c.relnamespace = 'sluice'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
              AND NOT EXISTS (SELECT FROM manifest m WHERE m.kind = 'table' AND m.object = c.relname)
            """
        )
        #expect(unknown.isEmpty, "not in sluice.manifest: \(unknown)")
    }

    @Test func asksForForcedSecurityOfEveryTableButTheHistoryOfMigrations() async throws {
        #expect(try await MigratedDatabase.make().psql("SELECT object FROM manifest WHERE expected = 'plain'") == "migrations")
    }

    @Test func agreesWithAMigratedDatabaseAndItsUnplannedMonths() async throws {
        let months = """
            INSERT INTO tenants (slug, name, retention_days) VALUES ('t', 'T', 3650);
            SELECT WHERE sluice.ensure_month((SELECT tenant_id FROM tenants), (now() - interval '1 year')::date) <> 'ready'
            """
        #expect(try await findings(after: months) == [])
    }

    @Test(arguments: [
        ("ALTER TABLE events DISABLE ROW LEVEL SECURITY", "unsafe|events|row-level security is not both enabled and forced"),
        ("ALTER TABLE api_keys NO FORCE ROW LEVEL SECURITY", "unsafe|api_keys|row-level security is not both enabled and forced"),
        ("ALTER TABLE %month% NO FORCE ROW LEVEL SECURITY", "unsafe|%month%|row-level security is not both enabled and forced"),
        ("ALTER TABLE months OWNER TO sluice_reader", "unsafe|months|belongs to sluice_reader instead of sluice_owner"),
        ("DROP POLICY writer_insert ON events", "unsafe|events|has no policy writer_insert FOR INSERT TO sluice_writer WITH CHECK (true)"),
        ("CREATE POLICY p ON sources TO PUBLIC USING (true)", "unsafe|sources|has one more policy: p FOR ALL TO PUBLIC USING (true)"),
        ("GRANT SELECT ON %month% TO sluice_reader", "unsafe|%month%|a partition can be reached directly: SELECT TO sluice_reader"),
        ("GRANT DELETE ON %month% TO PUBLIC", "unsafe|%month%|a partition can be reached directly: DELETE TO PUBLIC"),
        ("GRANT SELECT (id) ON %month% TO sluice_api", "unsafe|%month%|a partition can be reached directly: SELECT (id) TO sluice_api"),
        ("GRANT UPDATE ON events TO sluice_writer", "extra|events|has one more grant: UPDATE TO sluice_writer"),
        ("GRANT SELECT (body) ON quarantine TO sluice_writer", "extra|quarantine|has one more grant: SELECT (body) TO sluice_writer"),
        ("GRANT CREATE ON SCHEMA sluice TO PUBLIC", "extra|schema sluice|has one more grant: CREATE TO PUBLIC"),
        (
            "GRANT EXECUTE ON FUNCTION make_partition TO sluice_reader",
            "extra|make_partition(text, date)|has one more grant: EXECUTE TO sluice_reader"
        ),
        (
            "CREATE VIEW v AS SELECT 1 AS one; ALTER VIEW v OWNER TO sluice_owner; GRANT SELECT ON v TO sluice_reader",
            "extra|v|has one more grant: SELECT TO sluice_reader"
        ),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE sluice_owner IN SCHEMA sluice GRANT SELECT ON TABLES TO sluice_reader",
            "extra|what sluice_owner will make|has one more grant: SELECT TO sluice_reader"
        ),
        ("REVOKE SELECT ON schemas FROM sluice_reader", "missing|schemas|lacks the grant SELECT TO sluice_reader"),
        ("DROP TABLE issuers", "missing|issuers|there is no such table"),
        ("ALTER TABLE audit_log DISABLE TRIGGER append_only", "missing|audit_log|has no enabled trigger append_only"),
    ])
    func sees(harm: String, finding: String) async throws {
        let database = try await MigratedDatabase.make()
        let month = "events_" + (try await database.psql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')"))
        let found = try await database.psql("\(harm.replacing("%month%", with: month)); \(Self.findings)")
        #expect(found == finding.replacing("%month%", with: month))
    }

    @Test func seesAPolicyThatSaysSomethingElseNow() async throws {
        let found = try await findings(after: "ALTER POLICY reader_own_tenant ON events USING (true)")
        #expect(found.count == 2 && found.allSatisfy { $0.hasPrefix("unsafe|events|") }, "\(found)")
    }

    /// Roles belong to the cluster, which other tests share: nothing of this is committed.
    @Test(arguments: [
        ("ALTER ROLE sluice_api BYPASSRLS", ["unsafe|sluice_api|is a superuser or has BYPASSRLS"]),
        (
            "ALTER ROLE sluice_reader SUPERUSER",
            ["unsafe|sluice_api|may become sluice_reader", "unsafe|sluice_reader|is a superuser or has BYPASSRLS"]
        ),
        (
            "GRANT sluice_owner TO sluice_writer",
            [
                "extra|sluice_writer|is a member of sluice_owner too", "unsafe|sluice_api|may become sluice_owner",
                "unsafe|sluice_writer|may become sluice_owner",
            ]
        ),
        (
            "CREATE ROLE reports; GRANT reports TO sluice_reader; GRANT SELECT ON quarantine TO reports",
            ["extra|quarantine|has one more grant: SELECT TO reports", "extra|sluice_reader|is a member of reports too"]
        ),
        ("REVOKE sluice_writer FROM sluice_api", ["missing|sluice_api|is no member of sluice_writer"]),
    ])
    func seesWhatRolesMayDo(harm: String, expected: [String]) async throws {
        let found = try await MigratedDatabase.make().psql("BEGIN; \(harm); \(Self.findings); ROLLBACK")
        #expect(found.split(separator: "\n").map(String.init) == expected)
    }

    /// An older binary asks the same function, and is told by the newer migration's rows.
    @Test func followsANewerMigration() async throws {
        let newer = """
            SET ROLE sluice_owner;
            CREATE TABLE notes (tenant_id int PRIMARY KEY);
            ALTER TABLE notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
            CREATE POLICY owner_all ON notes TO sluice_owner USING (true) WITH CHECK (true);
            CREATE POLICY reader_own_tenant ON notes FOR SELECT TO sluice_reader
                USING (tenant_id = nullif(current_setting('app.tenant', true), '')::int);
            GRANT SELECT ON notes TO sluice_reader;
            INSERT INTO manifest SELECT 'notes', kind, expected FROM manifest WHERE object = 'schema_slots'
            """
        #expect(try await findings(after: newer) == [])
        #expect(try await findings(after: newer + "; DROP POLICY reader_own_tenant ON notes").count == 1)
    }
}
