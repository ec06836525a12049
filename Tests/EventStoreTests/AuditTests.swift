import Access
import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

@Suite(.fewAtOnce) struct AuditTests {
    @Test func tellsWhoActedFromWhereAndWhatChanged() async throws {
        let fixture = try await Fixture.make()
        let actor = AuditActor(name: "cli:root (sudo: alice)", address: "ops1, ssh from 192.0.2.7")
        let administration = Administration(connection: try await fixture.migrated.connect(), actor: actor)
        try await administration.updateSource(tenant: "acme", source: "default", profile: .fluentBit)
        let key = try await administration.createKey(tenant: "acme", kind: .query, name: "BI")
        try await administration.revokeKey(tenant: "acme", id: key.id)
        let entries = try await administration.auditLog(tenant: "acme", limit: 3)
        #expect(entries.map(\.action) == ["key.revoke", "key.create", "source.update"], "newest first")
        #expect(entries.allSatisfy { $0.actor == actor.name && $0.address == actor.address && $0.tenant == "acme" })
        #expect(
            entries.map(\.changes) == [
                #"{"revoked": {"after": true, "before": false}}"#,
                #"{"kind": {"after": "qry"}, "name": {"after": "BI"}, "scopes": {"after": ["export", "query"]}}"#,
                #"{"profile": {"after": "fluent-bit", "before": "generic"}}"#,
            ]
        )
    }

    @Test func filtersByTenantTimeAndKindOfAct() async throws {
        let fixture = try await Fixture.make()
        let administration = fixture.administration
        _ = try await administration.createKey(tenant: "globex", kind: .hook)
        try await administration.record(action: "migrate.apply", target: "1, 2")
        #expect(try await administration.auditLog().map(\.action) == ["migrate.apply", "key.create", "tenant.create", "tenant.create"])
        #expect(try await administration.auditLog().map(\.tenant) == [nil, "globex", "globex", "acme"])
        #expect(try await administration.auditLog(tenant: "acme").map(\.action) == ["tenant.create"])
        #expect(try await administration.auditLog(action: "tenant").count == 2)
        #expect(try await administration.auditLog(action: "key.create").count == 1)
        #expect(try await administration.auditLog(action: "ke").isEmpty)
        #expect(try await administration.auditLog(since: .now().adding(days: 1)).isEmpty)
        #expect(try await administration.auditLog(since: .now().adding(days: -1), limit: 1).count == 1)
        await #expect(throws: StoreError.self) { _ = try await administration.auditLog(limit: 0) }
        await #expect(throws: StoreError.self) { _ = try await administration.auditLog(tenant: "nope") }
    }

    @Test func keepsTheLinesOfATenantThatIsNoMore() async throws {
        let fixture = try await Fixture.make()
        try await fixture.migrated.psql("DELETE FROM sources; DELETE FROM tenants WHERE slug = 'acme'")
        let tenants = try await fixture.administration.auditLog().map(\.tenant)
        #expect(tenants == ["globex", String(fixture.acme.id.rawValue)])
    }

    @Test(arguments: ["UPDATE sluice.audit_log SET actor = 'nobody'", "DELETE FROM sluice.audit_log", "TRUNCATE sluice.audit_log"])
    func onlyGrows(change: String) async throws {
        let fixture = try await Fixture.make()
        for role in ["sluice_owner", "sluice_writer", "sluice_reader", "sluice_api", "none"] {
            let connection = try await fixture.migrated.connect()
            let error = await #expect(throws: PostgresError.self, "\(role)") {
                // Also where replication's apply would pass ordinary triggers by.
                let replica = role == "none" ? "SET LOCAL session_replication_role = replica;" : ""
                try await connection.executeScript(
                    "BEGIN; \(replica) SET LOCAL ROLE \(role); \(change); COMMIT",
                    deadline: fixture.deadline
                )
            }
            #expect(error?.sqlState == .insufficientPrivilege)
            await connection.close()
        }
        #expect(try await fixture.administration.auditLog().count == 2)
    }

    @Test func letsGoOfWhatIsAYearOld() async throws {
        let fixture = try await Fixture.make()
        try await fixture.migrated.psql(
            "INSERT INTO audit_log (actor, action, target, at) VALUES ('a', 'b', 'old', now() - interval '366 days')"
        )
        let gone = try await fixture.migrated.psql("DELETE FROM audit_log WHERE target = 'old' RETURNING target")
        #expect(gone == "old")
    }

    @Test func cutsAndCleansWhatAnEnvironmentSays() {
        let actor = AuditActor(name: "cli:\u{1B}[31m\u{202E}\n" + String(repeating: "x", count: 500), address: "a\u{0}b")
        #expect(actor.name.hasPrefix("cli:?[31m??x") && actor.name.unicodeScalars.count == 200)
        #expect(actor.address == "a?b")
    }

    @Test func leavesOutWhatIsAsItWas() {
        var changes = Changes()
        changes.note("name", from: "a", to: "a")
        changes.note("source", to: nil as String?)
        #expect(changes.isEmpty)
        changes.note("source", from: "mac-fleet", to: nil as String?)
        #expect(changes.json.text == #"{"source":{"before":"mac-fleet"}}"#)
    }
}
