import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

/// A tenant's analysts at work: what their views show, and how these follow the tenant's schemas.
@Suite(.fewAtOnce) struct SQLAccessTests {
    @Test func showsTypedColumns() async throws {
        let analysts = try await Analysts.make()
        try await analysts.apply(
            "s: { from: /s, type: string };i: { from: /i, type: integer };n: { from: /n, type: number };b: { from: /b, type: boolean };"
                + "t: { from: /t, type: timestamp };u: { from: /u, type: uuid };p: { from: /p, type: ip };"
                + "e: { from: /e, type: enum, values: [x, y] };l: { from: /l, type: 'string[]' }"
        )
        try await analysts.store([
            #"{"s":"a","i":9007199254740993,"n":1.50,"b":true,"t":"2026-01-02T03:04:05.5+01:00","u":"0D9B0C7E-3F5B-4C4E-9C1B-0123456789AB","#
                + #""p":"2001:DB8::1","e":"y","l":["q","r"],"other":7}"#
        ])
        let types = try await analysts.ask(
            """
            SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute
            WHERE attrelid = 'tenant_acme.my_events'::regclass AND attnum > 0
            """
        )
        #expect(
            types == [
                "occurred_at timestamp with time zone, received_at timestamp with time zone, id uuid, source text, schema text, type text, "
                    + "actor text, machine text, s text, i bigint, n numeric, b boolean, t timestamp with time zone, u uuid, p inet, e text, "
                    + "l text[], extra jsonb"
            ]
        )
        let row = "concat_ws('|', source, schema, s, i, n, b, t AT TIME ZONE 'UTC', u, p, e, l[2], extra -> 'other')"
        #expect(
            try await analysts.ask("SELECT \(row) FROM my_events WHERE i > 9007199254740992 AND p << '2001:db8::/32'") == [
                "default|my-events 1-0-0|a|9007199254740993|1.50|t|2026-01-02 02:04:05.5|0d9b0c7e-3f5b-4c4e-9c1b-0123456789ab|2001:db8::1|y|r|7"
            ]
        )
        await analysts.end()
    }

    /// Held against what the API gives, row by row.
    @Test func givesOldRowsInTheNewestShape() async throws {
        let analysts = try await Analysts.make()
        try await analysts.apply("building: { from: /b, type: string };at: { from: /t, type: string };gone: { from: /g, type: string }")
        let texts = ["7", "7.0", "7e0", "x", "9223372036854775808", "-3", "", "007", "1e999"]
        let times = ["2026-01-02T03:04:05Z", "2026-02-30T00:00:00Z", "2026-01-02 03:04:05.1234567", "2026-01-02T03:04:05-02:00", "soon"]
        let records = texts.enumerated().map { #"{"b":"\#($1)","t":"\#(times[$0 % times.count])","g":"\#($0)"}"# }
        try await analysts.store(records + ["{}"], secondsAgo: 900)
        try await analysts.apply(
            "site: { from: /b, type: integer, renamed_from: building };at: { from: /t, type: timestamp };new: { from: /z, type: string, default: d }"
        )
        try await analysts.store([#"{"b":8,"t":"2026-03-01T00:00:00Z","z":"own"}"#, "{}"], secondsAgo: 100)
        let shown = try await analysts.ask("SELECT concat_ws('|', id, site, at AT TIME ZONE 'UTC', new) FROM my_events ORDER BY id")
        let page = try await EventReader(analysts.fixture.database, freshness: .zero).page(
            of: analysts.fixture.acme.id,
            retentionDays: 3650,
            filter: EventFilter(),
            after: nil,
            limit: 100,
            now: analysts.fixture.now,
            deadline: analysts.fixture.deadline
        )
        let expected = try await analysts.fixture.migrated.psql(
            page.events.map { event in
                "SELECT concat_ws('|', '\(event.id)', f ->> 'site', (f ->> 'at')::timestamptz AT TIME ZONE 'UTC', f ->> 'new') "
                    + "FROM (SELECT '\(String(decoding: event.fields, as: UTF8.self))'::jsonb AS f) x"
            }.joined(separator: " UNION ALL ") + " ORDER BY 1"
        )
        #expect(shown.sorted() == expected.split(separator: "\n").map(String.init).sorted())
        #expect(shown.count == 12 && shown.count { $0.contains("|7|") } == 3 && shown.count { $0.hasSuffix("|d") } == 11)
        await analysts.end()
    }

    @Test func followsANewVersionWhoeverPublishesIt() async throws {
        let analysts = try await Analysts.make()
        try await analysts.apply("a: { from: /a, type: string };b: { from: /b, type: string }")
        try await analysts.store([#"{"a":"1","b":"2"}"#])
        // As the API does for a tenant's admin; a column is gone, another is new, and the login's grant is there.
        let access = TenantAccess(
            analysts.fixture.database,
            tenant: analysts.fixture.acme.id,
            slug: "acme",
            retentionDays: 90,
            actor: "key:x"
        )
        let document = try Analysts.document("c: { from: /c, type: string };a: { from: /a, type: integer }")
        let applied = try await SchemaRegistry(access).apply(document, allowBreaking: true, deadline: analysts.fixture.deadline)
        #expect(!applied.isViewBehind)
        #expect(try await analysts.ask("SELECT concat_ws('|', a, c, pg_typeof(a)) FROM my_events") == ["1|bigint"])
        try await analysts.apply("d: { from: /d, type: string }", name: "second")
        #expect(try await analysts.ask("SELECT count(*)::text FROM second") == ["0"])
        #expect(
            try await analysts.fixture.migrated.psql("SELECT * FROM check_isolation() UNION ALL SELECT * FROM check_sql_access()") == ""
        )
        await analysts.end()
    }

    @Test func publishesAVersionThoughSomebodyReadsTheView() async throws {
        let analysts = try await Analysts.make()
        try await analysts.apply("a: { from: /a, type: string }")
        try await analysts.session.executeScript("BEGIN; SELECT * FROM my_events", deadline: analysts.fixture.deadline)
        let document = try Analysts.document("a: { from: /a, type: string };b: { from: /b, type: string }")
        let registry = SchemaRegistry(try await analysts.fixture.administration.access(tenant: "acme"))
        let applied = try await registry.apply(document, allowBreaking: false, deadline: analysts.fixture.deadline)
        #expect(applied.isViewBehind && applied.inForce.version == "1-0-1")
        let finding = try await analysts.fixture.migrated.psql("SELECT severity, object FROM check_sql_access()")
        #expect(finding == "missing|tenant_acme.my_events")
        #expect(try await analysts.fixture.administration.putStaleSQLViews().left == 1)
        try await analysts.session.executeScript("ROLLBACK", deadline: analysts.fixture.deadline)
        #expect(try await analysts.fixture.administration.putStaleSQLViews() == (1, 0))
        #expect(try await analysts.ask("SELECT count(b)::text FROM my_events") == ["0"])
        #expect(try await analysts.fixture.migrated.psql("SELECT * FROM check_sql_access()") == "")
        await analysts.end()
    }

    @Test func showsNothingExpiredAndNothingOfASuspendedTenant() async throws {
        let analysts = try await Analysts.make()
        try await analysts.apply("a: { from: /a, type: string }")
        try await analysts.store([#"{"a":"old"}"#], secondsAgo: 40 * day)
        try await analysts.store([#"{"a":"new"}"#], secondsAgo: 60)
        #expect(try await analysts.ask("SELECT a FROM my_events ORDER BY 1") == ["new", "old"])
        _ = try await analysts.fixture.administration.updateTenant(slug: "acme", TenantChanges(retentionDays: 30))
        #expect(try await analysts.ask("SELECT a FROM my_events") == ["new"])
        _ = try await analysts.fixture.administration.suspendTenant(slug: "acme", true)
        #expect(try await analysts.ask("SELECT a FROM my_events") == [])
        _ = try await analysts.fixture.administration.suspendTenant(slug: "acme", false)
        #expect(try await analysts.ask("SELECT a FROM my_events") == ["new"])
        await analysts.end()
    }

    /// The tenants' schemas are called by their slugs, however these are; so are the views, each by its own name.
    @Test func namesAreApart() async throws {
        let migrated = try await MigratedDatabase.make()
        let long = String(repeating: "l", count: 63)
        let names = try await migrated.psql(
            """
            INSERT INTO tenants (slug, name, retention_days) VALUES ('a-b', 'A', 1), ('a--b', 'A', 1), ('\(long)', 'A', 1),
                ('\(long.dropLast())', 'A', 1);
            INSERT INTO schemas SELECT 1, n, s, '1-0-0', '', sha256('')
            FROM unnest(ARRAY['x_y', 'x-y', '\(long)', '\(long.dropLast())_', '\(long.dropLast())-']) WITH ORDINALITY AS o (s, n)
            WHERE s !~ '[_-]$';
            INSERT INTO schemas VALUES (1, 9, 'x-y', '1-0-1', '', sha256(''));
            SELECT sql_schema_name(tenant_id) FROM tenants ORDER BY tenant_id;
            SELECT view_name FROM sql_view_names(1) ORDER BY newest
            """
        ).split(separator: "\n").map(String.init)
        let cut = String(repeating: "l", count: 45)
        #expect(names == ["tenant_a_b", "tenant_a__b", "tenant_\(cut)$3", "tenant_\(cut)$4", "x_y", long, "x_y$2"])
        #expect(names.allSatisfy { $0.utf8.count <= 63 })
    }

    @Test func anotherDatabasesLoginIsNotTaken() async throws {
        let analysts = try await Analysts.make()
        let other = try await Fixture.make()
        await #expect(throws: StoreError.self) {
            _ = try await other.administration.openSQLAccess(
                tenant: "acme",
                SQLAccessSettings(login: analysts.access.login),
                password: "x"
            )
        }
        #expect(try await other.migrated.psql("SELECT count(*) FROM sql_access") == "0")
        #expect(try await analysts.ask("SELECT 1::text") == ["1"])
        await analysts.end()
    }

    @Test func rotationEndsSessionsAndRevocationLeavesNothing() async throws {
        let analysts = try await Analysts.make()
        let administration = analysts.fixture.administration
        try await analysts.apply("a: { from: /a, type: string }")
        let refreshed = try await administration.openSQLAccess(tenant: "acme", SQLAccessSettings(connections: 7), password: nil)
        #expect(refreshed.connections == 7 && refreshed.timeout == 300 && refreshed.views.map(\.name) == ["my_events"])
        #expect(try await analysts.ask("SELECT 1::text") == ["1"])
        _ = try await administration.openSQLAccess(tenant: "acme", SQLAccessSettings(), password: "another")
        await #expect(throws: PostgresError.self) { try await analysts.ask("SELECT 1::text") }
        await #expect(throws: PostgresError.self) { _ = try await analysts.logIn() }
        try await administration.closeSQLAccess(tenant: "acme")
        await #expect(throws: StoreError.self) { try await administration.closeSQLAccess(tenant: "acme") }
        let left = try await analysts.fixture.migrated.psql(
            """
            SELECT (SELECT count(*) FROM sql_access) + (SELECT count(*) FROM pg_roles WHERE rolname = '\(analysts.access.login)')
                   + (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tenant%');
            SELECT string_agg(action, ' ' ORDER BY entry_id) FROM audit_log WHERE action ~ 'sql';
            SELECT count(*) FROM audit_log WHERE detail::text ~ 'another|SCRAM'
            """
        )
        let acts = ["tenant.sql-access", "tenant.sql-access.refresh", "tenant.sql-access.rotate", "tenant.sql-access.revoke"]
        #expect(left == "0\n\(acts.joined(separator: " "))\n0")
        // Without it, versions are published as ever.
        try await analysts.apply("a: { from: /a, type: string };b: { from: /b, type: string }")
    }

    @Test func aDeletedTenantLeavesNoLogin() async throws {
        let analysts = try await Analysts.make()
        try await analysts.apply("a: { from: /a, type: string }")
        try await analysts.store([#"{"a":"x"}"#])
        _ = try await Erasure(analysts.fixture.administration.connection, actor: "test").deleteTenant(slug: "acme")
        let left = try await analysts.fixture.migrated.psql(
            "SELECT count(*) FROM pg_roles WHERE rolname = '\(analysts.access.login)'; SELECT count(*) FROM pg_namespace WHERE nspname ~ '^tenant_'"
        )
        #expect(left == "0\n0")
    }

    @Test func needsARoleThatMayMakeRoles() async throws {
        let fixture = try await Fixture.make()
        let role = "sql_operator_\(UInt32.random(in: 0 ..< .max))"
        try await fixture.migrated.psql("CREATE ROLE \(role) LOGIN PASSWORD 'p' IN ROLE sluice_owner")
        let url = fixture.migrated.apiURL.replacing("sluice_api", with: "\(role):p")
        let connection = try await Connection.connect(try ConnectionConfiguration(url: url), deadline: fixture.deadline)
        do {
            _ = try await Administration(connection: connection, actor: "test")
                .openSQLAccess(tenant: "acme", SQLAccessSettings(), password: "x")
            Issue.record("opened")
        } catch let error as StoreError {
            #expect(error.description.contains("CREATEROLE"), "\(error)")
        }
        // With it, and with CREATE on the database, all goes but what a superuser alone takes from everybody.
        try await fixture.migrated.psql(
            "ALTER ROLE \(role) CREATEROLE; DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO \(role)', current_database()); END $$"
        )
        let administration = Administration(connection: connection, actor: "test")
        let login = "sluice_sql_\(UInt32.random(in: 0 ..< .max))"
        let access = try await administration.openSQLAccess(tenant: "acme", SQLAccessSettings(login: login), password: "x")
        #expect(access.stillOpen == ["temporary tables", "large objects", "advisory locks"])
        try await administration.closeSQLAccess(tenant: "acme")
        await connection.close()
        try await fixture.migrated.psql("DROP OWNED BY \(role); DROP ROLE \(role)")
    }
}
