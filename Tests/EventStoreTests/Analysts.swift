import EventCore
import Foundation
import Postgres
import TestSupport
import Testing

@testable import EventStore

/// The tenant acme with SQL for its analysts, and a session of theirs.
struct Analysts {
    let fixture: Fixture
    let access: SQLAccess
    let password: String
    let session: Connection

    /// Logins belong to the cluster, which tests share: each has one of its own.
    static func make(connections: Int = 5) async throws -> Analysts {
        let fixture = try await Fixture.make()
        let password = "pw\(UInt64.random(in: 0 ..< .max))"
        TestRun.register(secret: password)
        let access = try await fixture.administration.openSQLAccess(
            tenant: "acme",
            SQLAccessSettings(login: "sluice_sql_\(UInt64.random(in: 0 ..< .max))", connections: connections),
            password: password
        )
        return Analysts(
            fixture: fixture,
            access: access,
            password: password,
            session: try await logIn(fixture, access.login, password)
        )
    }

    private static func logIn(_ fixture: Fixture, _ login: String, _ password: String) async throws -> Connection {
        let url = fixture.migrated.apiURL.replacing("sluice_api", with: "\(login):\(password)")
        return try await Connection.connect(try ConnectionConfiguration(url: url), deadline: fixture.deadline)
    }

    func logIn() async throws -> Connection { try await Self.logIn(fixture, access.login, password) }

    /// The first column, as text; nothing for NULL.
    func ask(_ sql: String) async throws -> [String] {
        try await session.execute(Texts(sql: sql), deadline: fixture.deadline)
    }

    private struct Texts: QueryStatement {
        let sql: String
        var query: Query { Query(sql) }
        static func decode(_ row: Row) throws(PostgresError) -> String { try row.decodeIfPresent(0) ?? "" }
    }

    static func document(_ fields: String, name: String = "my-events") throws -> SchemaDocument {
        try SchemaDocument(
            yaml: "schema: \(name)\ncore: { actor: /actor }\nfields:\n" + fields.split(separator: ";").map { "  \($0)\n" }.joined()
        )
    }

    func apply(_ fields: String, name: String = "my-events", tenant: String = "acme") async throws {
        _ = try await fixture.administration.applySchema(
            tenant: tenant,
            document: Self.document(fields, name: name),
            allowBreaking: true
        )
    }

    func store(_ records: [String], of tenant: TenantRecord? = nil, secondsAgo: Double = 10) async throws {
        try await fixture.store(records, of: tenant ?? fixture.acme, secondsAgo: secondsAgo)
    }

    /// The login is the cluster's, so it would outlive the test.
    func end() async {
        await session.close()
        try? await fixture.administration.closeSQLAccess(tenant: "acme")
    }
}
