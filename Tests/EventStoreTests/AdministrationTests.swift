import Access
import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

@Suite(.fewAtOnce) struct AdministrationTests {
    private func code(_ body: () async throws -> some Sendable) async -> StoreError.Code? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? StoreError)?.code
        }
    }

    @Test func makesATenantWithADefaultSource() async throws {
        let fixture = try await Fixture.make()
        let sources = try await fixture.administration.sources(tenant: "acme")
        #expect(sources.map(\.slug) == ["default"])
        #expect(sources.first?.profile == .generic)
        #expect(sources.first?.schemaName == nil)
    }

    @Test func refusesWhatIsThereOrCannotBe() async throws {
        let administration = try await Fixture.make().administration
        #expect(await code { try await administration.createTenant(slug: "acme", name: "A", retentionDays: 1) } == .alreadyExists)
        for slug in ["", "-a", "a-", "A", "a b", "ä", String(repeating: "a", count: 64)] {
            #expect(await code { try await administration.createTenant(slug: slug, name: "A", retentionDays: 1) } == .invalid, "\(slug)")
        }
        #expect(await code { try await administration.createTenant(slug: "x", name: "X", retentionDays: 0) } == .invalid)
        #expect(await code { try await administration.createTenant(slug: "x", name: "X", retentionDays: 36_501) } == .invalid)
        #expect(await code { try await administration.createTenant(slug: "x", name: "", retentionDays: 1) } == .invalid)
        #expect(await code { try await administration.sources(tenant: "nope") } == .notFound)
        #expect(await code { try await administration.createKey(tenant: "nope", kind: .query) } == .notFound)
        #expect(await code { try await administration.createKey(tenant: "acme", kind: .hook, source: "nope") } == .notFound)
        #expect(
            await code { try await administration.createSource(tenant: "acme", slug: "default", profile: .generic, schemaName: nil) }
                == .alreadyExists
        )
        #expect(
            await code { try await administration.createSource(tenant: "acme", slug: "s", profile: .generic, schemaName: "nope") }
                == .notFound
        )
    }

    @Test func appliesATemplateOnceAndGivesItToTheDefaultSource() async throws {
        let fixture = try await Fixture.make()
        let document = try SchemaDocument(yaml: SchemaTemplate.privilegesWebhook.yaml)
        let first = try await fixture.administration.applySchema(tenant: "acme", document: document)
        let again = try await fixture.administration.applySchema(tenant: "acme", document: document)
        #expect((first.version, first.versionNumber) == ("1-0-0", 1))
        #expect((again.version, again.versionNumber) == ("1-0-0", 1))
        let ndjson = try SchemaDocument(yaml: SchemaTemplate.privilegesNDJSON.yaml)
        let second = try await fixture.administration.applySchema(tenant: "acme", document: ndjson)
        #expect((second.version, second.versionNumber) == ("1-0-0", 2))
        let source = try #require(try await fixture.source(fixture.acme))
        #expect(source.schema?.document == document)
        #expect(source.schema?.indexedFields.map(\.name) == ["serial"])
        #expect(source.schema?.indexedFields.map(\.slot) == [1])
        #expect(try await fixture.migrated.psql("SELECT field, type, slot FROM schema_slots") == "serial|string|1")
    }

    @Test func refusesANinthIndexedField() async throws {
        let fixture = try await Fixture.make()
        let fields = (1...8).map { "  f\($0): { from: /f\($0), type: string, indexed: true }" }.joined(separator: "\n")
        let full = try SchemaDocument(yaml: "schema: full\nfields:\n\(fields)\nunknown: keep\n")
        _ = try await fixture.administration.applySchema(tenant: "acme", document: full)
        let ninth = try SchemaDocument(yaml: SchemaTemplate.privilegesWebhook.yaml)
        #expect(await code { try await fixture.administration.applySchema(tenant: "acme", document: ninth) } == .exhausted)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM schemas") == "1")
    }

    @Test func makesFindsAndRevokesKeys() async throws {
        let fixture = try await Fixture.make()
        let key = try await fixture.administration.createKey(tenant: "acme", kind: .hook, source: "default", name: "MDM")
        let keys = KeyStore(fixture.database, freshness: .zero, timeout: .seconds(5))
        let found = try #require(try await keys.findKey(key.id, isSuspect: false))
        #expect(found.digest == key.digest)
        #expect(found.tenantSlug == "acme" && found.kind == .hook && found.scopes == [.hook] && found.revokedAt == nil)
        #expect(try await fixture.administration.isInForce(key, tenant: "acme"))
        #expect(try await fixture.administration.isInForce(key, tenant: "globex") == false)

        #expect(await code { try await fixture.administration.revokeKey(tenant: "globex", id: key.id) } == .notFound)
        try await fixture.administration.revokeKey(tenant: "acme", id: key.id)
        try await fixture.administration.revokeKey(tenant: "acme", id: key.id)
        #expect(try await keys.findKey(key.id, isSuspect: false)?.revokedAt != nil)
        #expect(try await fixture.administration.isInForce(key, tenant: "acme") == false)
        let listed = try await fixture.administration.keys(tenant: "acme")
        #expect(listed.map(\.id) == [key.id] && listed.first?.source == "default" && listed.first?.revokedAt != nil)
        #expect(try await keys.findKey(APIKey.generate(.hook).id, isSuspect: false) == nil)
    }

    @Test func storesNoSecret() async throws {
        let fixture = try await Fixture.make()
        let key = try await fixture.administration.createKey(tenant: "acme", kind: .admin)
        let secret = String(key.text.dropFirst(18).prefix(30))
        for table in ["api_keys", "audit_log"] {
            #expect(try await fixture.migrated.psql("SELECT count(*) FROM \(table) t WHERE t::text LIKE '%\(secret)%'") == "0")
        }
    }

    @Test func leavesALineForEveryChange() async throws {
        let fixture = try await Fixture.make()
        let administration = fixture.administration
        let key = try await administration.createKey(tenant: "acme", kind: .query)
        try await administration.revokeKey(tenant: "acme", id: key.id)
        _ = try await administration.createSource(tenant: "acme", slug: "s", profile: .fluentBit, schemaName: nil)
        try await administration.updateSource(tenant: "acme", source: "s", profile: .generic)
        _ = try await administration.applySchema(tenant: "acme", document: SchemaDocument(yaml: SchemaTemplate.privilegesNDJSON.yaml))
        let lines = try await fixture.migrated.psql(
            "SELECT action, target, actor FROM audit_log WHERE tenant_id = \(fixture.acme.id.rawValue) ORDER BY entry_id"
        )
        let expected = [
            "tenant.create|acme", "key.create|\(key.id)", "key.revoke|\(key.id)", "source.create|s", "source.update|s",
            "schema.apply|privileges-ndjson 1-0-0",
        ]
        #expect(lines.split(separator: "\n").map(String.init) == expected.map { "\($0)|test" })
    }
}
