import Access
import EventCore
import TestSupport
import Testing

@testable import EventStore

@Suite(.fewAtOnce) struct TenantChangesTests {
    @Test func setsAndTakesAwayLimits() async throws {
        let fixture = try await Fixture.make()
        let administration = fixture.administration
        #expect(fixture.acme.limits == .none)
        var changes = TenantChanges(limits: [.eventsPerSecond: 1000, .quarantineBytes: 5000])
        let limited = try await administration.updateTenant(slug: "acme", changes).tenant
        #expect(limited.limits == TenantLimits(eventsPerSecond: 1000, quarantineBytes: 5000))
        let key = try await administration.createKey(tenant: "acme", kind: .ingest)
        let keys = KeyStore(fixture.database, freshness: .zero, timeout: .seconds(5))
        #expect(try await keys.findKey(key.id, isSuspect: false)?.limits.eventsPerSecond == 1000)

        changes.limits = [.concurrentRequests: 3]
        changes.limits.updateValue(nil, forKey: .eventsPerSecond)
        changes.retentionDays = 30
        changes.name = "Acme & Söhne"
        let changed = try await administration.updateTenant(slug: "acme", changes).tenant
        #expect(changed.limits == TenantLimits(concurrentRequests: 3, quarantineBytes: 5000))
        #expect(changed.retentionDays == 30 && changed.name == "Acme & Söhne")
        let other = try #require(try await administration.tenant(slug: "globex"))
        #expect(other.limits == .none && other.retentionDays == 3650)
        let detail = try await fixture.migrated.psql(
            "SELECT detail FROM audit_log WHERE action = 'tenant.update' ORDER BY entry_id DESC LIMIT 1"
        )
        #expect(detail == #"{"name": "changed", "retention_days": 30, "events_per_second": null, "concurrent_requests": 3}"#)
    }

    @Test func refusesLimitsThatCannotBe() async throws {
        let fixture = try await Fixture.make()
        for changes in [
            TenantChanges(limits: [.eventsPerSecond: 0]), TenantChanges(limits: [.eventsPerMonth: .max]), TenantChanges(retentionDays: 0),
            TenantChanges(name: ""),
        ] {
            await #expect(throws: StoreError.self) { _ = try await fixture.administration.updateTenant(slug: "acme", changes) }
        }
    }

    @Test func readsNoLimitFromWhatIsNone() async throws {
        let fixture = try await Fixture.make()
        for text in [
            #"{"events_per_second":"many"}"#, #"{"events_per_second":-1}"#, #"{"events_per_second":1.5}"#, #"{"events_per_second":null}"#,
            "[]",
        ] {
            try await fixture.migrated.psql("UPDATE tenants SET limits = '\(text)' WHERE slug = 'acme'")
            #expect(try await fixture.administration.tenant(slug: "acme")?.limits == TenantLimits.none, "\(text)")
        }
    }

    @Test func suspendsAndResumes() async throws {
        let fixture = try await Fixture.make()
        #expect(try await fixture.administration.suspendTenant(slug: "acme", true).isSuspended)
        #expect(try await fixture.administration.suspendTenant(slug: "acme", true).isSuspended)
        #expect(try await fixture.administration.suspendTenant(slug: "acme", false).isSuspended == false)
        let acts = try await fixture.migrated.psql(
            "SELECT action FROM audit_log WHERE action LIKE 'tenant.%e%' AND tenant_id = 1 ORDER BY entry_id"
        )
        #expect(acts == "tenant.create\ntenant.suspend\ntenant.resume")
    }

    @Test func addsUpAMonthOverReplicas() async throws {
        let fixture = try await Fixture.make()
        let store = UsageStore(fixture.database)
        let replicas = [Limiter(replicas: 2), Limiter(replicas: 2)]
        _ = try await fixture.administration.updateTenant(slug: "acme", TenantChanges(limits: [.eventsPerMonth: 10]))
        let key = try await fixture.administration.createKey(tenant: "acme", kind: .ingest)
        let keys = KeyStore(fixture.database, timeout: .seconds(5))
        let presented = PresentedCredential(key.text, in: .authorization)
        let grant = try await Authenticator(keys: keys).authenticate(PresentedCredentials(headers: [presented]), for: .ingest, now: .now())
        for limiter in replicas {
            guard case .admitted(let ticket) = limiter.admit(grant, writes: true) else {
                return #expect(Bool(false), "nothing is stored yet")
            }
            ticket.charge(records: 6, bytes: 1, stored: 6)
            ticket.release()
            try await store.tellStored(of: limiter, deadline: fixture.deadline)
        }
        guard case .admitted = replicas[0].admit(grant, writes: true) else {
            return #expect(Bool(false), "it does not know of the other yet")
        }
        try await store.tellStored(of: replicas[0], deadline: fixture.deadline)
        for limiter in replicas {
            guard case .refused(let refusal) = limiter.admit(grant, writes: true) else {
                return #expect(Bool(false), "12 of 10 are stored")
            }
            #expect(refusal.limit == .eventsPerMonth)
        }
        #expect(try await fixture.administration.tenantWithUsage(slug: "acme").storedThisMonth == 12)
    }
}
