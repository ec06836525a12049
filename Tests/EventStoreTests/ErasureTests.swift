import Access
import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

@Suite struct ErasureTests {
    private func erasure(_ fixture: Fixture, batch: Int32 = 3) async throws -> Erasure {
        Erasure(try await fixture.migrated.connect(), actor: "test", batch: batch)
    }

    private func count(_ fixture: Fixture, _ table: String) async throws -> String {
        try await fixture.migrated.psql("SELECT count(*) FROM \(table)")
    }

    @Test func erasesOneSubjectAndNobodyElse() async throws {
        let fixture = try await Fixture.make()
        var events: [AcceptedEvent] = []
        for number in 0..<10 {
            let age = Double(number) * 20 * day
            events.append(
                fixture.event(
                    fixture.acme,
                    secondsAgo: age,
                    name: "j\(number)",
                    actor: "john",
                    machine: "m\(number % 2)",
                    explicitID: "id-\(number)"
                )
            )
            events.append(fixture.event(fixture.acme, secondsAgo: age, name: "z\(number)", actor: "zoë", machine: "m1"))
            events.append(fixture.event(fixture.globex, secondsAgo: age, name: "g\(number)", actor: "john"))
        }
        _ = try await fixture.writer.store(events, deadline: fixture.deadline)
        #expect(try await count(fixture, "remembered_ids") == "10")
        let erasure = try await erasure(fixture)

        let onMachine = try await erasure.eraseSubject(
            try Subject(actor: "john", machine: "m0", from: fixture.now.adding(days: -50)),
            of: "acme"
        )
        #expect(onMachine.events == 2 && onMachine.rememberedIDs == 2, "of now and of 40 days ago")
        let everywhere = try await erasure.eraseSubject(try Subject(actor: "john", machine: nil), of: "acme")
        #expect(everywhere.events == 8 && everywhere.rememberedIDs == 8)
        #expect(try await count(fixture, "events") == "20")
        #expect(try await count(fixture, "remembered_ids") == "0")
        #expect(try await erasure.eraseSubject(try Subject(actor: nil, machine: "m1"), of: "acme").events == 10)
        #expect(try await count(fixture, "events") == "10", "another tenant's john is another")
        let log = try await fixture.migrated.psql(
            "SELECT string_agg(detail::text || target, '') FROM audit_log WHERE action = 'events.delete'"
        )
        #expect(!log.contains("john") && log.contains("\"events\""), "the log does not keep the name: \(log)")
        let acts = try await fixture.migrated.psql(
            "SELECT string_agg(action, ' ' ORDER BY entry_id) FROM audit_log WHERE action LIKE 'events.%'"
        )
        #expect(acts == Array(repeating: "events.delete.begin events.delete", count: 3).joined(separator: " "))
    }

    @Test func forgetsThatAMachineUsedASupersededKey() async throws {
        let fixture = try await Fixture.make()
        let key = try await fixture.administration.createKey(tenant: "acme", kind: .ingest)
        try await fixture.migrated.psql(
            """
            INSERT INTO key_senders (tenant_id, key_id, sender, count, last_seen)
                SELECT tenant_id, key_id, unnest(ARRAY['m1', 'm2']), 1, now() FROM api_keys WHERE key_id = '\(key.id)'
            """
        )
        let erasure = try await erasure(fixture)
        _ = try await erasure.eraseSubject(try Subject(actor: "john", machine: "m1"), of: "acme")
        #expect(try await count(fixture, "key_senders") == "2", "a person's events leave the machine")
        _ = try await erasure.eraseSubject(try Subject(actor: nil, machine: "m1"), of: "acme")
        #expect(try await fixture.migrated.psql("SELECT sender FROM key_senders") == "m2")
    }

    /// A hold that comes after a few batches: what is gone is told, to the operator and the log.
    @Test func saysHowFarItCameWhenAHoldStopsIt() async throws {
        let fixture = try await Fixture.make()
        let events = (0..<10).map { fixture.event(fixture.acme, secondsAgo: Double($0), name: "\($0)", actor: "john") }
        _ = try await fixture.writer.store(events, deadline: fixture.deadline)
        try await fixture.migrated.psql(
            """
            CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF (SELECT count(*) FROM sluice.events) <= 4 THEN UPDATE sluice.tenants SET held_at = now() WHERE slug = 'acme'; END IF;
                RETURN NULL;
            END $$;
            CREATE TRIGGER hold AFTER DELETE ON events FOR EACH STATEMENT EXECUTE FUNCTION hold();
            """
        )
        let error = await #expect(throws: StoreError.self) {
            try await self.erasure(fixture).eraseSubject(try Subject(actor: "john", machine: nil), of: "acme")
        }
        #expect(error?.description.contains("after 6 events") == true, "\(String(describing: error))")
        #expect(try await count(fixture, "events") == "4")
        let acts = try await fixture.migrated.psql(
            """
            SELECT action, detail -> 'events' ->> 'after', detail -> 'complete' ->> 'after' FROM audit_log
            WHERE action LIKE 'events.%' ORDER BY entry_id
            """
        )
        #expect(acts == "events.delete.begin||\nevents.delete|6|false")
    }

    @Test func erasesRefusedRecordsThatNameTheSubject() async throws {
        let fixture = try await Fixture.make()
        let bodies = [
            #"{"user":"zo\u00EB/x","host":"m1"}"#, #"{"user":"zoë/x","host":"m2"}"#, #"{"user":"zo\u00eb\/x","host":"m1"}"#,
            #"{"user":"zoë/xy"}"#, "not even JSON",
        ]
        try await fixture.writer.withLanes { lanes in
            for body in bodies {
                let record = fixture.refused(fixture.acme, body: body)
                _ = try await lanes.submit([.quarantine(record)], tenant: fixture.acme.id, deadline: fixture.deadline) { _ in [] }
            }
        }
        #expect(try await count(fixture, "quarantine") == "5")
        let erasure = try await erasure(fixture)
        #expect(try await erasure.eraseSubject(try Subject(actor: "zoë/x", machine: "m1"), of: "acme").refused == 2)
        #expect(try await erasure.eraseSubject(try Subject(actor: "zoë/x", machine: nil), of: "acme").refused == 1)
        #expect(try await count(fixture, "quarantine") == "2")
        let bytes = bodies.suffix(2).reduce(0) { $0 + $1.utf8.count + 256 }
        #expect(try await fixture.migrated.psql("SELECT bytes FROM quarantine_usage WHERE tenant_id = \(fixture.acme.id)") == "\(bytes)")
    }

    @Test func refusesToEraseAnythingOfATenantOnHold() async throws {
        let fixture = try await Fixture.make()
        _ = try await fixture.writer.store([fixture.event(fixture.acme, actor: "john")], deadline: fixture.deadline)
        _ = try await fixture.administration.holdTenant(slug: "acme", true)
        let erasure = try await erasure(fixture)
        await #expect(throws: StoreError.self) { try await erasure.eraseSubject(try Subject(actor: "john", machine: nil), of: "acme") }
        await #expect(throws: StoreError.self) { try await erasure.deleteTenant(slug: "acme") }
        #expect(try await count(fixture, "events") == "1")
        #expect(try await count(fixture, "audit_log WHERE action LIKE '%delete%'") == "0", "nothing was begun")
        #expect(try await fixture.migrated.psql("SELECT deleting_at IS NULL FROM tenants WHERE slug = 'acme'") == "t")
    }

    @Test func refusesASubjectThatIsNobody() {
        #expect(throws: StoreError.self) { try Subject(actor: nil, machine: nil) }
        #expect(throws: StoreError.self) { try Subject(actor: "", machine: "m") }
        #expect(throws: StoreError.self) { try Subject(actor: "a", machine: nil, from: .now(), to: .epoch) }
    }

    @Test func deletesATenantWithAllThatIsItsOwn() async throws {
        let fixture = try await Fixture.make()
        let key = try await fixture.administration.createKey(tenant: "acme", kind: .ingest)
        _ = try await fixture.administration.applySchema(
            tenant: "acme",
            document: SchemaDocument(yaml: SchemaTemplate.privilegesWebhook.yaml)
        )
        let events = (0..<10).flatMap { number in
            [fixture.acme, fixture.globex].map {
                fixture.event($0, secondsAgo: Double(number) * 30 * day, name: "\(number)", explicitID: "\(number)")
            }
        }
        _ = try await fixture.writer.store(events, deadline: fixture.deadline)
        try await fixture.writer.withLanes { lanes in
            for tenant in [fixture.acme, fixture.globex] {
                let record = fixture.refused(tenant, body: "x")
                _ = try await lanes.submit([.quarantine(record)], tenant: tenant.id, deadline: fixture.deadline) { _ in [] }
            }
        }
        // As far as an interrupted one got: its keys are gone, its rows are not.
        try await fixture.migrated.psql("SET ROLE sluice_owner; SELECT sluice.begin_erasing_tenant(\(fixture.acme.id))")
        #expect(try await fixture.administration.isInForce(key, tenant: "acme") == false)
        #expect(try await fixture.administration.tenant(slug: "acme")?.isSuspended == true)
        let erased = try await erasure(fixture).deleteTenant(slug: "acme")
        #expect(erased.events == 10 && erased.refused == 1 && erased.rememberedIDs == 10)
        let tables = try await fixture.migrated.psql("SELECT name FROM tenant_tables()").split(separator: "\n")
        #expect(tables.count >= 10)
        for table in tables {
            #expect(
                try await fixture.migrated.psql("SELECT count(*) FROM \(table) WHERE tenant_id = \(fixture.acme.id)") == "0",
                "\(table)"
            )
        }
        #expect(try await count(fixture, "events") == "10")
        let acts = try await fixture.migrated.psql(
            "SELECT string_agg(action, ' ' ORDER BY entry_id) FROM audit_log WHERE tenant_id = \(fixture.acme.id) AND action LIKE 'tenant.%'"
        )
        #expect(acts == "tenant.create tenant.delete.begin tenant.delete")
        await #expect(throws: StoreError.self) { try await self.erasure(fixture).deleteTenant(slug: "acme") }
    }
}
