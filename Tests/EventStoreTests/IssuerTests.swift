import Access
import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

@Suite(.fewAtOnce) struct IssuerTests {
    private func key() throws -> PublicKeyRecord {
        try SigningKey.generateEd25519(issuer: "i", audience: "a").record
    }

    private func new(_ issuer: String = "https://login.example", _ audience: String = "sluice-acme") throws -> NewIssuer {
        NewIssuer(issuer: issuer, audience: audience, keys: .set([try key()]))
    }

    private func code(_ body: () async throws -> some Sendable) async -> StoreError.Code? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? StoreError)?.code
        }
    }

    @Test func registersFindsAndRemovesAnIssuer() async throws {
        let fixture = try await Fixture.make()
        let store = IssuerStore(fixture.database, freshness: .zero, timeout: .seconds(5))
        var new = try new()
        new.scopes = [.ingest, .query]
        new.onExpired = .hold
        new.maximumLifetime = 3 * 86_400
        let added = try await fixture.administration.addIssuer(tenant: "acme", new)
        let found = try #require(try await store.findIssuers("https://login.example").first)
        #expect(found.tenant == fixture.acme.id && found.tenantSlug == "acme" && found.retentionDays == 3650 && !found.isSuspended)
        #expect(found.registration.id == added.id && found.registration.audience == "sluice-acme")
        #expect(found.registration.algorithms == [.edDSA] && found.registration.scopes == [.ingest, .query])
        #expect(found.registration.onExpired == .hold && found.registration.maximumLifetime == 3 * 86_400)
        guard case .set(let json) = found.registration.keys, case .set(let keys) = new.keys else {
            Issue.record("\(found.registration)")
            return
        }
        #expect(PublicKeyRecord.readPublished(Array(json.utf8)) == keys)
        #expect(try await fixture.administration.issuers(tenant: "acme").map(\.id) == [added.id])
        #expect(try await fixture.administration.issuers(tenant: "globex").isEmpty)

        #expect(await code { try await fixture.administration.removeIssuer(tenant: "globex", id: added.id) } == .notFound)
        _ = try await fixture.administration.removeIssuer(tenant: "acme", id: added.id)
        #expect(try await store.findIssuers("https://login.example").isEmpty)
        #expect(await code { try await fixture.administration.removeIssuer(tenant: "acme", id: added.id) } == .notFound)
    }

    @Test func findsEveryTenantOfOneIssuer() async throws {
        let fixture = try await Fixture.make()
        _ = try await fixture.administration.addIssuer(tenant: "acme", new())
        _ = try await fixture.administration.addIssuer(tenant: "globex", new("https://login.example", "sluice-globex"))
        _ = try await fixture.administration.addIssuer(tenant: "globex", new("https://other.example", "sluice-acme"))
        let store = IssuerStore(fixture.database, timeout: .seconds(5))
        let found = try await store.findIssuers("https://login.example")
        #expect(Set(found.map(\.tenantSlug)) == ["acme", "globex"])
        #expect(await code { try await fixture.administration.addIssuer(tenant: "globex", new()) } == .alreadyExists)
    }

    @Test func asksForMadeUpIssuersOnceTogether() async throws {
        let fixture = try await Fixture.make()
        _ = try await fixture.administration.addIssuer(tenant: "acme", new())
        let store = IssuerStore(fixture.database, freshness: .seconds(60), timeout: .seconds(5))
        #expect(try await store.findIssuers("https://login.example").count == 1)
        await fixture.database.close()
        for number in 0..<1_000 { #expect(try await store.findIssuers("https://made-up.example/\(number)").isEmpty) }
        #expect(try await store.findIssuers("https://login.example").count == 1)
    }

    @Test func saysThatItCannotKnowWhileTheDatabaseIsAway() async throws {
        let fixture = try await Fixture.make()
        let store = IssuerStore(fixture.database, timeout: .seconds(1))
        await fixture.database.close()
        await #expect(throws: (any Error).self) { _ = try await store.findIssuers("https://login.example") }
    }

    @Test func showsASecretToTheLookUpAlone() async throws {
        let fixture = try await Fixture.make()
        let bytes = Array("correct horse battery staple 0123456789".utf8)
        let secret = NewIssuer(
            issuer: "https://hs.example",
            audience: "a",
            keys: .secret(IssuerSecret(keyID: "shared", bytes: bytes))
        )
        let added = try await fixture.administration.addIssuer(tenant: "acme", secret)
        #expect(added.keys == .secret("shared") && added.algorithms == ["HS256"])
        let store = IssuerStore(fixture.database, timeout: .seconds(5))
        let found = try #require(try await store.findIssuers("https://hs.example").first)
        #expect(found.registration.keys == .secret(IssuerSecret(keyID: "shared", bytes: bytes)))
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM audit_log t WHERE t::text LIKE '%correct horse%'") == "0")
        for role in ["sluice_reader", "sluice_writer", "sluice_api"] {
            let sees = try await fixture.migrated.psql("SELECT has_any_column_privilege('\(role)', 'issuers', 'SELECT')")
            #expect(sees == "f", "\(role)")
        }
    }

    @Test func refusesWhatCannotBeAnIssuer() async throws {
        let administration = try await Fixture.make().administration
        let key = try key()
        func refused(_ change: (inout NewIssuer) -> Void) async -> Bool {
            var issuer = NewIssuer(issuer: "https://x.example", audience: "a", keys: .set([key]))
            change(&issuer)
            return await code { try await administration.addIssuer(tenant: "acme", issuer) } == .invalid
        }
        #expect(await refused { $0.issuer = "" })
        #expect(await refused { $0.issuer = "https://ä.example" })
        #expect(await refused { $0.audience = "a b" })
        #expect(await refused { $0.audience = String(repeating: "a", count: 513) })
        #expect(await refused { $0.scopes = [] })
        #expect(await refused { $0.maximumLifetime = 0 })
        #expect(await refused { $0.maximumLifetime = 5_000 * 86_400 })
        #expect(await refused { $0.algorithms = [.es256] })
        #expect(await refused { $0.algorithms = [.edDSA, .hs256] })
        #expect(await refused { $0.keys = .secret(IssuerSecret(keyID: "k", bytes: [UInt8](repeating: 1, count: 40))) })
        #expect(
            await refused {
                $0.keys = .secret(IssuerSecret(keyID: "k", bytes: [UInt8](repeating: 1, count: 31)))
                $0.algorithms = [.hs256]
            }
        )
        #expect(await code { try await administration.addIssuer(tenant: "nope", new()) } == .notFound)
    }

    @Test func takesNoSuchRowEvenFromAnOperatorAtAPrompt() async throws {
        let fixture = try await Fixture.make()
        let tenant = fixture.acme.id
        for columns in [
            "algorithms, jwks, secret, secret_kid) VALUES (\(tenant), 'i', 'a', '{ingest}', '{HS256}', '{}', sha256('x'), 'k'",
            "algorithms) VALUES (\(tenant), 'i', 'a', '{ingest}', '{EdDSA}'",
            "algorithms, jwks) VALUES (\(tenant), 'i', 'a', '{ingest}', '{HS256}', '{}'",
            "algorithms, secret, secret_kid) VALUES (\(tenant), 'i', 'a', '{ingest}', '{HS256,RS256}', sha256('x'), 'k'",
            "algorithms, secret, secret_kid) VALUES (\(tenant), 'i', 'a', '{ingest}', '{HS256}', 'short', 'k'",
        ] {
            await #expect(throws: (any Error).self, "\(columns)") {
                try await fixture.migrated.psql("INSERT INTO issuers (tenant_id, iss, aud, scopes, \(columns))")
            }
        }
    }

    @Test func leavesALineForEveryAct() async throws {
        let fixture = try await Fixture.make()
        let added = try await fixture.administration.addIssuer(tenant: "acme", new())
        try await fixture.administration.recordToken(tenant: "acme", issuer: added.id, detail: [("kid", "\"k\"")])
        _ = try await fixture.administration.removeIssuer(tenant: "acme", id: added.id)
        let lines = try await fixture.migrated.psql(
            "SELECT action, target, detail ->> 'iss', detail ->> 'kid' FROM audit_log WHERE action ~ 'issue' ORDER BY entry_id"
        )
        let expected = [
            "issuer.add|\(added.id)|https://login.example|", "token.issue|\(added.id)||k",
            "issuer.remove|\(added.id)|https://login.example|",
        ]
        #expect(lines.split(separator: "\n").map(String.init) == expected)
    }
}
