import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

/// An analyst who tries to get out: to another tenant's rows, to a right, to anything that can be written.
@Suite(.fewAtOnce) struct SQLEscapeTests {
    /// With an event of acme's and one of globex's, of the same schema in the same version, and SQL for both.
    private func scene() async throws -> Analysts {
        let analysts = try await Analysts.make()
        for tenant in [analysts.fixture.acme, analysts.fixture.globex] {
            try await analysts.apply("a: { from: /a, type: string };i: { from: /i, type: integer }", tenant: tenant.slug)
        }
        try await analysts.store([#"{"a":"own","i":1,"actor":"1"}"#])
        try await analysts.store([#"{"a":"other","i":2,"actor":"secret"}"#], of: analysts.fixture.globex)
        _ = try await analysts.fixture.administration.openSQLAccess(
            tenant: "globex",
            SQLAccessSettings(login: "\(analysts.access.login)_g"),
            password: "x"
        )
        // Everything that a login may set for itself.
        try await analysts.session.executeScript(
            """
            SET default_transaction_read_only = off; SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;
            SET "app.tenant" = '\(analysts.fixture.globex.id.rawValue)'; SET search_path = tenant_acme, tenant_globex, sluice, public
            """,
            deadline: analysts.fixture.deadline
        )
        return analysts
    }

    private func end(_ analysts: Analysts) async {
        try? await analysts.fixture.administration.closeSQLAccess(tenant: "globex")
        await analysts.end()
    }

    private func refusal(_ sql: String, _ analysts: Analysts) async -> SQLState? {
        do {
            try await analysts.session.executeScript(sql, deadline: analysts.fixture.deadline)
            return nil
        } catch {
            return (error as PostgresError).sqlState
        }
    }

    @Test func isRefusedEverythingElse() async throws {
        let analysts = try await scene()
        let me = analysts.access.login
        let month = try await analysts.fixture.migrated.psql("SELECT 'events_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')")
        let roles = ["sluice_owner", "sluice_api", "sluice_writer", "sluice_reader", "sluice_analyst", TestCluster.superuser, "\(me)_g"]
        let tables = try await analysts.fixture.migrated.psql(
            "SELECT relname FROM pg_class WHERE relnamespace = 'sluice'::regnamespace AND relkind IN ('r', 'p')"
        ).split(separator: "\n").map(String.init)
        #expect(tables.count > 20 && tables.contains(month))
        let attempts =
            roles.flatMap { ["SET ROLE \($0)", "SET SESSION AUTHORIZATION \($0)", "GRANT \($0) TO \(me)"] }
            + tables.flatMap { ["SELECT FROM sluice.\($0)", "INSERT INTO sluice.\($0) DEFAULT VALUES", "DELETE FROM sluice.\($0)"] }
            + [
                "SELECT * FROM tenant_globex.my_events", "SELECT * FROM pg_authid", "SELECT * FROM pg_statistic",
                "SELECT pg_read_file('/etc/passwd')", "SELECT pg_ls_dir('/')", "COPY (SELECT 1) TO PROGRAM 'true'",
                "COPY (SELECT 1) TO '/tmp/x'", "SELECT lo_import('/etc/passwd')", "SELECT lo_export(1, '/tmp/x')",
                "SELECT lo_from_bytea(0, 'x')", "SELECT lo_create(0)", "SELECT lo_creat(-1)",
                "CREATE TABLE tenant_acme.x ()", "CREATE TABLE public.x ()", "CREATE TABLE sluice.x ()", "CREATE TEMP TABLE x ()",
                "CREATE TEMP VIEW x AS SELECT 1", "SELECT 1 AS one INTO TEMP x", "CREATE SCHEMA x", "CREATE EXTENSION dblink",
                "CREATE FUNCTION pg_temp.f(text) RETURNS bool LANGUAGE sql COST 0.01 AS 'SELECT true'",
                "CREATE FUNCTION tenant_acme.f(text) RETURNS bool LANGUAGE sql AS 'SELECT true'",
                "CREATE OR REPLACE VIEW tenant_acme.my_events AS SELECT * FROM sluice.events", "DROP VIEW tenant_acme.my_events",
                "ALTER VIEW tenant_acme.my_events SET (security_barrier = false)", "ALTER VIEW tenant_acme.my_events OWNER TO \(me)",
                "DROP SCHEMA tenant_acme CASCADE", "CREATE ROLE x", "DROP ROLE sluice_api", "ALTER ROLE \(me) SUPERUSER",
                "ALTER ROLE \(me) BYPASSRLS", "ALTER ROLE \(me) CREATEROLE", "ALTER ROLE \(me) CONNECTION LIMIT -1",
                "ALTER ROLE sluice_api PASSWORD 'x'", "ALTER SYSTEM SET fsync = off", "SET temp_file_limit = -1",
                "SET session_replication_role = replica", "CREATE SERVER s FOREIGN DATA WRAPPER w", "CREATE DATABASE x",
                "SET row_security = off; SELECT * FROM tenant_acme.my_events", "SELECT pg_advisory_lock(hashtext('sluice.months'))",
                "SELECT pg_try_advisory_xact_lock(hashtext('sluice.months'))",
                "DO $$ BEGIN LOCK TABLE tenant_acme.my_events IN ACCESS EXCLUSIVE MODE; END $$",
                "SELECT * FROM tenant_acme.my_events FOR UPDATE", "DELETE FROM tenant_acme.my_events", "TRUNCATE tenant_acme.my_events",
                "UPDATE tenant_acme.my_events SET a = 'x'", "INSERT INTO tenant_acme.my_events (a) VALUES ('x')",
                "SELECT sluice.put_sql_view(1, 'my-events', '{}')", "SELECT sluice.find_key('x')", "SELECT sluice.number_of('1')",
                "SELECT sluice.check_isolation()", "SELECT dblink('dbname=postgres', 'SELECT 1')", "SELECT pg_reload_conf()",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '\(TestCluster.superuser)'",
                "DO $$ BEGIN EXECUTE 'SET ROLE sluice_reader'; END $$",
            ]
        // Refused, no such thing where it may look, no statement for a view, or asked for what is none of a view's.
        let refusals: Set<SQLState> = [
            .insufficientPrivilege, .undefinedFunction, .undefinedTable, SQLState(rawValue: "55000"), SQLState(rawValue: "42809"),
            SQLState(rawValue: "0LP01"), .undefinedObject,
        ]
        for attempt in attempts {
            let state = await refusal(attempt, analysts)
            #expect(state.map { refusals.contains($0) } == true, "\(attempt): \(state?.rawValue ?? "went through")")
        }
        #expect(try await analysts.ask("SELECT a FROM tenant_acme.my_events") == ["own"])
        #expect(
            try await analysts.fixture.migrated.psql("SELECT * FROM check_sql_access() UNION ALL SELECT * FROM check_isolation()") == ""
        )
        await end(analysts)
    }

    /// Conditions that fail, or tell, when they are asked of another's row.
    @Test func noConditionIsAskedOfAnothersRow() async throws {
        let analysts = try await scene()
        for condition in [
            "1 / (CASE WHEN actor = 'secret' THEN 0 ELSE 1 END) = 1", "actor::int = 1", "1 / (i - 2) = -1",
            "1 / (2 - length(a) + 3) IS NOT NULL",
            "(extra ->> 'x')::int IS NULL", "1 / (CASE WHEN source = 'default' AND a = 'other' THEN 0 ELSE 1 END) = 1", "a !~ '['", "true",
        ] {
            let rows = try? await analysts.ask("SELECT a FROM tenant_acme.my_events WHERE \(condition)")
            // A pattern that is none fails of itself; the rest are fine of what is acme's.
            #expect(rows == (condition.contains("'['") ? nil : ["own"]), "\(condition)")
        }
        #expect(try await analysts.ask("SELECT count(*)::text FROM pg_stats WHERE schemaname = 'sluice'") == ["0"])
        let seen = try await analysts.ask(
            "SELECT DISTINCT query FROM pg_stat_activity WHERE usename <> current_user AND query <> '<insufficient privilege>'"
        )
        #expect(seen.filter { !$0.isEmpty } == [])
        await end(analysts)
    }

    /// Either of the two walls holds without the other: the view's own tenant, and the policy that asks who logged in.
    @Test func holdsWhenTheViewForgetsItsTenant() async throws {
        let analysts = try await scene()
        let me = analysts.access.login
        try await analysts.fixture.migrated.psql(
            """
            CREATE VIEW tenant_acme.careless AS SELECT tenant_id, actor FROM sluice.events;
            ALTER VIEW tenant_acme.careless OWNER TO sluice_analyst;
            GRANT SELECT ON tenant_acme.careless TO \(me);
            """
        )
        #expect(try await analysts.ask("SELECT actor FROM tenant_acme.careless") == ["1"])
        #expect(
            try await analysts.ask("SELECT actor FROM tenant_acme.careless WHERE 1 / (CASE actor WHEN 'secret' THEN 0 ELSE 1 END) = 1") == [
                "1"
            ]
        )
        #expect(
            try await analysts.ask("SELECT actor FROM tenant_acme.careless WHERE tenant_id <> \(analysts.fixture.acme.id.rawValue)") == []
        )
        // Given to another, it shows that one's rows or none.
        try await analysts.fixture.migrated.psql(
            "GRANT USAGE ON SCHEMA tenant_globex TO \(me); GRANT SELECT ON tenant_globex.my_events TO \(me)"
        )
        #expect(try await analysts.ask("SELECT a FROM tenant_globex.my_events") == [])
        #expect(try await analysts.fixture.migrated.psql("SELECT count(*) FROM tenant_acme.careless") == "0")
        let found = try await analysts.fixture.migrated.psql("SELECT object, finding FROM check_sql_access() ORDER BY 1, 2")
        #expect(
            found == """
                \(me)|has rights on schema tenant_globex
                \(me)|has rights on view tenant_globex.my_events
                tenant_acme.careless|is no view of sluice_analyst's with a security barrier
                tenant_globex|has one more grant: USAGE TO \(me)
                tenant_globex.my_events|has one more grant: SELECT TO \(me)
                """
        )
        await end(analysts)
    }

    @Test func doctorSeesWhatALoginIsGiven() async throws {
        let analysts = try await Analysts.make()
        try await analysts.apply("a: { from: /a, type: string }")
        let me = analysts.access.login
        for (harm, expected) in [
            ("GRANT sluice_reader TO \(me)", "extra|\(me)|is a member of sluice_reader"),
            (
                "ALTER ROLE \(me) BYPASSRLS CREATEDB CONNECTION LIMIT -1",
                "extra|\(me)|has BYPASSRLS\nextra|\(me)|has CREATEDB\nextra|\(me)|has no connection limit"
            ),
            ("CREATE TABLE public.t (); ALTER TABLE public.t OWNER TO \(me)", "extra|\(me)|owns table public.t"),
            ("GRANT UPDATE ON tenant_acme.my_events TO \(me)", "extra|tenant_acme.my_events|has one more grant: UPDATE TO \(me)"),
            ("GRANT SELECT ON tenant_acme.my_events TO PUBLIC", "extra|tenant_acme.my_events|has one more grant: SELECT TO PUBLIC"),
            (
                "DROP VIEW tenant_acme.my_events",
                "missing|tenant_acme.my_events|is not there as the newest version has it: sluice tenant sql-access acme puts it"
            ),
            ("ALTER ROLE \(me) RENAME TO \(me)_x", "missing|\(me)|there is no such role: sluice tenant sql-access acme --rotate makes it"),
        ] {
            let found = try await analysts.fixture.migrated.psql(
                "BEGIN; \(harm); SELECT severity, object, finding FROM check_sql_access() WHERE finding !~ 'grant: .* TO \(me)_x' ORDER BY 1, 2, 3; ROLLBACK"
            )
            #expect(found == expected, "\(harm)")
        }
        await analysts.end()
    }

    @Test func hasNoMoreConnectionsThanItsLimit() async throws {
        let analysts = try await Analysts.make(connections: 2)
        let second = try await analysts.logIn()
        do {
            await (try await analysts.logIn()).close()
            Issue.record("a third came in")
        } catch let error as PostgresError {
            #expect(error.sqlState == .tooManyConnections || error.message.contains("too many connections"), "\(error)")
        }
        await second.close()
        await analysts.end()
    }

    @Test func beginsReadingOnly() async throws {
        let analysts = try await Analysts.make()
        let settings = try await analysts.ask(
            "SELECT concat_ws(' ', current_setting('default_transaction_read_only'), current_setting('statement_timeout'), "
                + "current_setting('search_path'), current_setting('temp_file_limit'))"
        )
        #expect(settings == ["on 5min tenant_acme 4GB"])
        await analysts.end()
    }
}
