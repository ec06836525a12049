import Access
import EventCore
import TestSupport
import Testing

@testable import EventStore

/// Keys brought from PrivLog, on a real database.
@Suite(.fewAtOnce) struct LegacyKeyStoreTests {
    private let text = "privlog-key-0123456789"

    private func outcome(_ fixture: Fixture, _ text: String, for scope: Scope = .query) async -> String {
        let keys = KeyStore(fixture.database, freshness: .zero, timeout: .seconds(5))
        do throws(AccessError) {
            let presented = PresentedCredential(text, in: .apiKeyHeader)
            let grant = try await Authenticator(keys: keys).authenticate(
                PresentedCredentials(headers: [presented]),
                for: scope,
                now: .now()
            )
            guard case .key(_, let name) = grant.bearer else { return "no key" }
            return "\(grant.tenantSlug) \(name)"
        } catch {
            return if case .unauthenticated = error { "unauthenticated" } else { "\(error)" }
        }
    }

    @Test func readsWithThemUntilTheyAreRevoked() async throws {
        let fixture = try await Fixture.make()
        let administration = fixture.administration
        let keys = try LegacyKey.parse("\(text):Grafana\nanother-key-0123456789:Script")
        let new = try await administration.importKeys(tenant: "acme", keys)
        #expect(new.map(\.name).sorted() == ["Grafana", "Script"] && new.allSatisfy { $0.kind == .query && $0.isLegacy })
        #expect(try await administration.importKeys(tenant: "acme", keys).isEmpty, "the same again changes nothing")
        #expect(await outcome(fixture, text) == "acme Grafana")
        #expect(await outcome(fixture, text, for: .admin) == "unauthenticated")
        #expect(await outcome(fixture, "\(text)x") == "unauthenticated")
        #expect(
            try await fixture.migrated.psql("SELECT count(*) FROM api_keys k, audit_log a WHERE (k, a)::text LIKE '%privlog-key%'") == "0"
        )

        let id = try #require(new.first { $0.name == "Grafana" }?.id)
        let store = KeyStore(fixture.database, freshness: .zero, timeout: .seconds(5))
        #expect(try await store.findKey(id, isSuspect: false) == nil, "its id is only a name here")
        try await administration.revokeKey(tenant: "acme", id: id)
        #expect(await outcome(fixture, text) == "unauthenticated")
    }

    @Test func rotatesThemIntoKeysOfOurOwn() async throws {
        let fixture = try await Fixture.make()
        let new = try await fixture.administration.importKeys(tenant: "acme", [try LegacyKey(line: "\(text):Grafana")])
        let (key, old) = try await fixture.administration.rotateKey(
            tenant: "acme",
            id: try #require(new.first?.id),
            overlap: .seconds(3600)
        )
        #expect(key.kind == .query && old.isLegacy && old.expiresAt != nil)
        #expect(try await fixture.administration.key(tenant: "acme", id: key.id).key.isLegacy == false)
        #expect(await outcome(fixture, text) == "acme Grafana")
    }

    @Test func givesNoKeyToTwoTenantsAndHoldsABoundedNumber() async throws {
        let fixture = try await Fixture.make()
        let administration = fixture.administration
        _ = try await administration.importKeys(tenant: "acme", [try LegacyKey(line: "\(text):Grafana")])
        await #expect(throws: StoreError.self) {
            _ = try await administration.importKeys(tenant: "globex", [try LegacyKey(line: "\(text):Grafana")])
        }
        let many = try LegacyKey.parse((0..<LegacyKey.mostOfAll).map { "key-number-\(100_000 + $0):n" }.joined(separator: "\n"))
        do {
            _ = try await administration.importKeys(tenant: "globex", many)
            #expect(Bool(false), "one too many")
        } catch let error as StoreError {
            #expect(error.code == .exhausted)
        }
        #expect(try await administration.keys(tenant: "globex").isEmpty, "none was stored")
    }
}
