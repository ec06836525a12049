import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

/// Every role of the application's × every table and partition × every operation, in SQL, through the API's own login.
@Suite(.fewAtOnce) struct RoleMatrixTests {
    /// All that any of them may do. Whatever a later migration grants is to be added here, and thought about.
    private static let allowed: Set<String> = [
        "sluice_reader SELECT tenants", "sluice_reader SELECT sources", "sluice_reader SELECT schemas", "sluice_reader SELECT schema_slots",
        "sluice_reader SELECT slot_fills",
        "sluice_reader SELECT events", "sluice_reader SELECT quarantine",
        "sluice_writer INSERT events", "sluice_writer INSERT quarantine", "sluice_writer INSERT remembered_ids",
        "sluice_writer SELECT remembered_ids",
    ]

    @Test func refusesEverythingThatIsNotAllowed() async throws {
        let fixture = try await Fixture.make()
        let tables = try await fixture.migrated.psql(
            """
            SELECT c.relname, (SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1)
            FROM pg_class c WHERE c.relnamespace = 'sluice'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1
            """
        ).split(separator: "\n").map { $0.split(separator: "|").map(String.init) }
        #expect(tables.count > 20)
        let connection = try await Connection.connect(try ConnectionConfiguration(url: fixture.migrated.apiURL), deadline: fixture.deadline)
        var reached: Set<String> = []
        for role in ["none", "sluice_writer", "sluice_reader"] {
            for table in tables {
                let (name, column) = (table[0], table[1])
                for (operation, sql) in [
                    ("SELECT", "SELECT * FROM sluice.\(name) LIMIT 1"), ("INSERT", "INSERT INTO sluice.\(name) DEFAULT VALUES"),
                    ("UPDATE", "UPDATE sluice.\(name) SET \(column) = DEFAULT"), ("DELETE", "DELETE FROM sluice.\(name)"),
                ] {
                    let attempt = [Query("SET LOCAL ROLE \(role)"), SetTenant(tenant: fixture.acme.id).query, Query(sql)]
                    let state = try await refusal(of: attempt, on: connection, deadline: fixture.deadline)
                    if state == .insufficientPrivilege { continue }
                    // Let through, perhaps only as far as the table's constraints.
                    #expect(state == nil || state?.classCode == "23", "\(role) \(operation) \(name): \(state?.rawValue ?? "-")")
                    reached.insert("\(role) \(operation) \(name)")
                }
            }
        }
        await connection.close()
        #expect(reached == Self.allowed)
    }

    /// Nil when there was none. A connection that is lost refuses nothing, and lets nothing through.
    private func refusal(of attempt: [Query], on connection: Connection, deadline: ContinuousClock.Instant) async throws -> SQLState? {
        do {
            _ = try await connection.transaction(attempt, mode: .readWrite, deadline: deadline)
            return nil
        } catch {
            guard let state = error.sqlState, !connection.isClosed else { throw error }
            return state
        }
    }

    @Test func showsEachTenantItsOwnRowsOfEveryTable() async throws {
        let fixture = try await Fixture.make()
        try await fixture.migrated.psql(
            """
            INSERT INTO schemas SELECT tenant_id, 1, 's', '1-0-0', '', sha256('') FROM tenants;
            INSERT INTO schema_slots SELECT tenant_id, 'f', 'string', 1 FROM tenants;
            INSERT INTO events (tenant_id, occurred_at, id, received_at, source_id, version_no, fields, extra)
                SELECT tenant_id, now(), gen_random_uuid(), now(), 1, 0, '{}', '{}' FROM tenants;
            INSERT INTO quarantine (tenant_id, received_at, id, reason, body, last_received_at)
                SELECT tenant_id, now(), gen_random_uuid(), 'r', '', now() FROM tenants;
            """
        )
        for table in ["tenants", "sources", "schemas", "schema_slots", "events", "quarantine"] {
            for tenant in [fixture.acme, fixture.globex] {
                let rows = try await fixture.database.read(Numbers(table: table), as: tenant.id, deadline: fixture.deadline)
                #expect(rows == [tenant.id.rawValue], "\(table) for \(tenant.slug)")
            }
        }
    }

    private struct Numbers: QueryStatement {
        let table: String
        var query: Query { Query("SELECT tenant_id FROM sluice.\(table)") }
        static func decode(_ row: Row) throws(PostgresError) -> Int32 { try row.decode(0) }
    }
}
