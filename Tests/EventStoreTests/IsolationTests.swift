import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

/// What the database itself refuses, whatever the code above it does.
@Suite(.fewAtOnce) struct IsolationTests {
    private func loggedInAsTheAPI(_ fixture: Fixture) async throws -> Connection {
        try await Connection.connect(try ConnectionConfiguration(url: fixture.migrated.apiURL), deadline: fixture.deadline)
    }

    @Test func showsAReaderNothingWithoutATenantAndOnlyThatTenantsRowsWithOne() async throws {
        let fixture = try await Fixture.make()
        _ = try await fixture.writer.store([fixture.event(fixture.acme), fixture.event(fixture.globex)], deadline: fixture.deadline)
        let connection = try await loggedInAsTheAPI(fixture)
        let count = Query("SELECT count(*), min(tenant_id) FROM sluice.events")
        let without = try await connection.transaction([Role.reader.query, count], mode: .readOnly, deadline: fixture.deadline)
        #expect(try without.last?.first?.decode(0, as: Int64.self) == 0)
        let with = try await connection.transaction(
            [Role.reader.query, SetTenant(tenant: fixture.globex.id).query, count],
            mode: .readOnly,
            deadline: fixture.deadline
        )
        #expect(try with.last?.first?.decode(0, as: Int64.self) == 1)
        #expect(try with.last?.first?.decode(1, as: Int32.self) == fixture.globex.id.rawValue)
        // The setting ended with its transaction.
        let after = try await connection.transaction([Role.reader.query, count], mode: .readOnly, deadline: fixture.deadline)
        #expect(try after.last?.first?.decode(0, as: Int64.self) == 0)
        await connection.close()
    }

    @Test(arguments: [
        ("", "SELECT FROM sluice.events"), ("", "SELECT FROM sluice.api_keys"), ("", "SELECT FROM sluice.tenants"),
        ("", "SELECT sluice.make_partition('events', '2020-01-01')"), ("", "SELECT FROM sluice.settings"),
        ("", "CREATE TABLE sluice.mine ()"),
        ("sluice_reader", "SELECT FROM sluice.api_keys"), ("sluice_reader", "SELECT FROM sluice.settings"),
        ("sluice_reader", "DELETE FROM sluice.events"), ("sluice_reader", "UPDATE sluice.events SET type = 'x'"),
        ("sluice_reader", "INSERT INTO sluice.tenants (slug, name, retention_days) VALUES ('x', 'x', 1)"),
        ("sluice_writer", "SELECT actor FROM sluice.events"), ("sluice_writer", "SELECT * FROM sluice.events"),
        ("sluice_writer", "UPDATE sluice.events SET type = 'x'"), ("sluice_writer", "DELETE FROM sluice.events"),
        ("sluice_writer", "SELECT FROM sluice.tenants"), ("sluice_writer", "SELECT body FROM sluice.quarantine"),
    ])
    func refuses(role: String, sql: String) async throws {
        let fixture = try await Fixture.make()
        let connection = try await loggedInAsTheAPI(fixture)
        let setRole = role.isEmpty ? Query("SELECT 1") : Query("SET LOCAL ROLE \(role)")
        let error = await #expect(throws: PostgresError.self) {
            _ = try await connection.transaction([setRole, Query(sql)], mode: .readWrite, deadline: fixture.deadline)
        }
        #expect(error?.sqlState == .insufficientPrivilege, "\(role) \(sql)")
        await connection.close()
    }

    @Test func refusesEveryRoleAPartitionByItsOwnName() async throws {
        let fixture = try await Fixture.make()
        let partitions = try await fixture.migrated.psql("SELECT c.relname FROM pg_class c WHERE relispartition AND relkind = 'r'")
        let connection = try await loggedInAsTheAPI(fixture)
        #expect(partitions.split(separator: "\n").count == 8)
        for partition in partitions.split(separator: "\n") {
            for role in ["sluice_writer", "sluice_reader"] {
                let error = await #expect(throws: PostgresError.self) {
                    _ = try await connection.transaction(
                        [Query("SET LOCAL ROLE \(role)"), Query("SELECT tenant_id FROM sluice.\(partition)")],
                        mode: .readWrite,
                        deadline: fixture.deadline
                    )
                }
                #expect(error?.sqlState == .insufficientPrivilege)
            }
        }
        await connection.close()
    }

    @Test func refusesALoginThatCouldReadEveryTenant() async throws {
        let fixture = try await Fixture.make()
        let superuser = try ConnectionConfiguration(url: fixture.migrated.adminURL)
        let error = await #expect(throws: StoreError.self) {
            try await Database.checkLogin(superuser, deadline: fixture.deadline)
        }
        #expect(error?.code == .unsafeRole)
        try await Database.checkLogin(try ConnectionConfiguration(url: fixture.migrated.apiURL), deadline: fixture.deadline)
    }

    @Test(arguments: ["SUPERUSER", "BYPASSRLS"])
    func refusesALoginThatMayBecomeSuchARole(attribute: String) async throws {
        let cluster = try await TestCluster.startPrivate()
        let migrated = try await MigratedDatabase.make(in: cluster)
        try await cluster.psql("CREATE ROLE boss \(attribute); GRANT boss TO sluice_api")
        let error = await #expect(throws: StoreError.self) {
            try await Database.checkLogin(try ConnectionConfiguration(url: migrated.apiURL), deadline: .now + .seconds(10))
        }
        #expect(error?.code == .unsafeRole)
        try await cluster.remove()
    }

    @Test func neverTakesAnUnsafeLoginIntoUse() async throws {
        let fixture = try await Fixture.make()
        let database = Database(try ConnectionConfiguration(url: fixture.migrated.adminURL), maximumConnections: 1)
        await #expect(throws: (any Error).self) {
            _ = try await Installation(database).cursorSecret(deadline: .now + .seconds(1))
        }
        await #expect(throws: StoreError.self) {
            _ = try await ReadinessProbe(try ConnectionConfiguration(url: fixture.migrated.adminURL)).readiness(deadline: fixture.deadline)
        }
        await database.close()
    }
}
