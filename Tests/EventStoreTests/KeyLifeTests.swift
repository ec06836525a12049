import Access
import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

/// Keys from their making to their end, on a real database.
@Suite(.fewAtOnce) struct KeyLifeTests {
    private func code(_ body: () async throws -> some Sendable) async -> StoreError.Code? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? StoreError)?.code
        }
    }

    private func epoch(_ fixture: Fixture) async throws -> Int64 {
        try #require(try await fixture.database.call(CurrentAccessEpoch(), deadline: fixture.deadline).first)
    }

    @Test func countsTheEpochUpWithEveryChangeOfAccess() async throws {
        let fixture = try await Fixture.make()
        var last = try await epoch(fixture)
        let changes = [
            "INSERT INTO api_keys (key_id, tenant_id, kind, digest, scopes) VALUES ('0123456789', 1, 'qry', sha256(''), '{query}')",
            "UPDATE api_keys SET revoked_at = now()", "UPDATE tenants SET limits = '{}'", "UPDATE sources SET profile = 'generic'",
            "INSERT INTO issuers (tenant_id, iss, aud, algorithms, scopes, jwks) VALUES (1, 'i', 'a', '{EdDSA}', '{ingest}', '{}')",
            "DELETE FROM issuers",
            """
            INSERT INTO schemas (tenant_id, version_no, name, version, document, checksum)
            VALUES (1, 1, 's', '1-0-0', 'x', sha256(''))
            """,
            "INSERT INTO schema_slots (tenant_id, field, type, slot) VALUES (1, 'f', 'string', 1)", "DELETE FROM api_keys",
        ]
        for change in changes {
            try await fixture.migrated.psql(change)
            let now = try await epoch(fixture)
            #expect(now > last, "\(change)")
            last = now
        }
        try await fixture.migrated.psql("BEGIN; UPDATE tenants SET name = 'x'; ROLLBACK")
        #expect(try await epoch(fixture) == last, "what is not committed has not happened")
        try await fixture.migrated.psql("UPDATE api_keys SET last_used_at = now()")
        #expect(try await epoch(fixture) == last, "being used is no change")
    }

    @Test func hearsOfAChangeByNotification() async throws {
        let fixture = try await Fixture.make()
        let listener = try await Connection.connect(try ConnectionConfiguration(url: fixture.migrated.apiURL), deadline: fixture.deadline)
        try await listener.listen("sluice_access", deadline: fixture.deadline)
        _ = try await fixture.administration.createKey(tenant: "acme", kind: .query)
        #expect(try await listener.nextNotification(deadline: .now + .seconds(10))?.channel == "sluice_access")
        await listener.close()
    }

    @Test func watchesTheEpochDirectlyAndThroughPgBouncer() async throws {
        let fixture = try await Fixture.make()
        let pooler = try await TestPooler.start(before: try await TestCluster.shared())
        let direct = fixture.migrated.apiURL
        let pooled = fixture.migrated.apiURL(through: pooler)
        for (url, names) in [(direct, StatementNames.auto), (direct, .unnamed), (pooled, .auto), (pooled, .unnamed)] {
            let epoch = AccessEpoch()
            let configuration = try ConnectionConfiguration(url: url, statementNames: names)
            let watching = Task { await EpochWatcher(configuration, epoch: epoch).run() }
            #expect(try await eventually { epoch.current(.now) != nil })
            let before = try #require(epoch.current(.now))
            _ = try await fixture.administration.createKey(tenant: "acme", kind: .query)
            let changed = ContinuousClock.now
            #expect(try await eventually { epoch.current(.now) != before }, "\(ContinuousClock.now - changed)")
            watching.cancel()
            await watching.value
        }
        await pooler.stop()
    }

    @Test func rotatesAKeyWithAnOverlap() async throws {
        let fixture = try await Fixture.make()
        let administration = fixture.administration
        let old = try await administration.createKey(tenant: "acme", kind: .hook, source: "default", name: "MDM")
        let (new, was) = try await administration.rotateKey(tenant: "acme", id: old.id, overlap: .seconds(3600))
        let inAnHour = Timestamp.now().microsecondsSince1970 + 3_600_000_000
        #expect(abs(try #require(was.expiresAt).microsecondsSince1970 - inAnHour) < 60_000_000)
        #expect(was.supersededBy == new.id)
        let successor = try await administration.key(tenant: "acme", id: new.id).key
        #expect(successor.kind == .hook && successor.source == "default" && successor.name == "MDM" && successor.expiresAt == nil)
        let keys = KeyStore(fixture.database, freshness: .zero, timeout: .seconds(5))
        #expect(try await keys.findKey(old.id, isSuspect: false)?.isSuperseded == true)
        #expect(try await keys.findKey(new.id, isSuspect: false)?.isSuperseded == false)
        #expect(try await keys.findKey(new.id, isSuspect: false)?.digest == new.digest)

        #expect(await code { try await administration.rotateKey(tenant: "acme", id: old.id, overlap: .zero).key } == .alreadyExists)
        #expect(await code { try await administration.rotateKey(tenant: "globex", id: new.id, overlap: .zero).key } == .notFound)
        try await administration.revokeKey(tenant: "acme", id: new.id)
        #expect(await code { try await administration.rotateKey(tenant: "acme", id: new.id, overlap: .zero).key } == .invalid)
    }

    @Test func neverLengthensAKeysLifeByRotatingIt() async throws {
        let fixture = try await Fixture.make()
        let soon = Timestamp(microsecondsSince1970: Timestamp.now().microsecondsSince1970 + 60_000_000)
        let old = try await fixture.administration.createKey(tenant: "acme", kind: .query, expiresAt: soon)
        let (new, was) = try await fixture.administration.rotateKey(tenant: "acme", id: old.id, overlap: .seconds(86_400))
        #expect(was.expiresAt == soon)
        let expiry = try #require(try await fixture.administration.key(tenant: "acme", id: new.id).key.expiresAt)
        #expect(abs(expiry.microsecondsSince1970 - soon.microsecondsSince1970) < 60_000_000, "as long as the old one was made for")
    }

    @Test func tellsWhenAndByWhomKeysAreUsed() async throws {
        let fixture = try await Fixture.make()
        let key = try await fixture.administration.createKey(tenant: "acme", kind: .ingest)
        _ = try await fixture.administration.rotateKey(tenant: "acme", id: key.id, overlap: .seconds(60))
        let store = UsageStore(fixture.database)
        let usage = KeyUsage()
        let grant = try await Authenticator(keys: KeyStore(fixture.database, timeout: .seconds(5))).authenticate(
            PresentedCredentials(headers: [PresentedCredential(key.text, in: .authorization)]),
            for: .ingest,
            now: .now()
        )
        let early = Timestamp(microsecondsSince1970: 1_700_000_000_000_000)
        let late = Timestamp(microsecondsSince1970: 1_700_000_001_000_000)
        for time in [late, early] {
            usage.note(grant, at: time)
            usage.noteSender(grant, machine: "m", address: "", at: time)
            try await store.tellUse(usage, deadline: fixture.deadline)
        }
        usage.noteSender(grant, machine: nil, address: "10.0.0.1", at: early)
        try await store.tellUse(usage, deadline: fixture.deadline)
        let (shown, senders) = try await fixture.administration.key(tenant: "acme", id: key.id)
        #expect(shown.lastUsedAt == late, "only moves forward")
        #expect(shown.senders == 2)
        #expect(senders.map(\.sender) == ["m", "10.0.0.1"] && senders.map(\.count) == [2, 1])
        #expect(senders.first?.lastSeen == late)
    }

    @Test func keepsABoundedNumberOfSendersOfAKey() async throws {
        let fixture = try await Fixture.make()
        let key = try await fixture.administration.createKey(tenant: "acme", kind: .ingest)
        let uses = { (range: Range<Int>) in
            "ARRAY(SELECT '\(key.id)' FROM generate_series(\(range.lowerBound), \(range.upperBound - 1))), "
                + "ARRAY(SELECT 'm' || n FROM generate_series(\(range.lowerBound), \(range.upperBound - 1)) n), "
                + "ARRAY(SELECT 1::bigint FROM generate_series(\(range.lowerBound), \(range.upperBound - 1))), "
                + "ARRAY(SELECT now() FROM generate_series(\(range.lowerBound), \(range.upperBound - 1)))"
        }
        try await fixture.migrated.psql("SELECT note_key_senders(\(uses(0..<900)))")
        try await fixture.migrated.psql("SELECT note_key_senders(\(uses(800..<1200)))")
        let counts = try await fixture.migrated.psql("SELECT count(*), sum(count), max(count) FILTER (WHERE sender = '') FROM key_senders")
        #expect(counts == "1001|1300|200")
    }

    @Test func keepsWhatCouldNotBeTold() async throws {
        let fixture = try await Fixture.make()
        let key = try await fixture.administration.createKey(tenant: "acme", kind: .ingest)
        let usage = KeyUsage()
        let keys = KeyStore(fixture.database, timeout: .seconds(5))
        let presented = PresentedCredential(key.text, in: .authorization)
        let grant = try await Authenticator(keys: keys).authenticate(PresentedCredentials(headers: [presented]), for: .ingest, now: .now())
        usage.note(grant, at: .now())
        let limiter = Limiter()
        guard case .admitted(let ticket) = limiter.admit(grant, writes: true) else { return #expect(Bool(false), "no limit is set") }
        ticket.charge(records: 3, bytes: 1, stored: 3)
        let store = UsageStore(fixture.database)
        await #expect(throws: (any Error).self) { try await store.tellUse(usage, deadline: .now) }
        await #expect(throws: (any Error).self) { try await store.tellStored(of: limiter, deadline: .now) }
        try await store.tellUse(usage, deadline: fixture.deadline)
        try await store.tellStored(of: limiter, deadline: fixture.deadline)
        try await store.tellStored(of: limiter, deadline: fixture.deadline)
        #expect(try await fixture.administration.key(tenant: "acme", id: key.id).key.lastUsedAt != nil)
        #expect(try await fixture.administration.tenantWithUsage(slug: "acme").storedThisMonth == 3)
    }

    @Test func looksUnknownKeysUpWithinABound() async throws {
        let fixture = try await Fixture.make()
        let good = try await fixture.administration.createKey(tenant: "acme", kind: .ingest)
        let epoch = AccessEpoch()
        epoch.note(try await self.epoch(fixture), askedAt: .now)
        let budget = LookupBudget(LookupBudget.Bounds(perSecond: 1, burst: 20, atOnce: 100))
        let keys = KeyStore(fixture.database, epoch: epoch, timeout: .seconds(5), budget: budget)
        _ = try await keys.findKey(good.id, isSuspect: false)
        var refused = 0
        for _ in 0..<100 {
            do {
                #expect(try await keys.findKey(APIKey.generate(.ingest).id, isSuspect: false) == nil)
            } catch is LookupBudget.Exhausted {
                refused += 1
            }
        }
        #expect((75...81).contains(refused), "\(refused)")
        guard case .found = keys.knownKey(good.id) else { return #expect(Bool(false), "the good key feels nothing") }
        epoch.note(-1, askedAt: .now)
        #expect(keys.knownKey(good.id) == nil)
        #expect(try await keys.findKey(good.id, isSuspect: true) != nil, "nor when it has to be looked up again")
    }
}
