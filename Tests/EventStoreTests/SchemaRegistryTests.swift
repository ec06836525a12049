import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

@Suite struct SchemaRegistryTests {
    static func document(_ fields: String, name: String = "s") throws -> SchemaDocument {
        try SchemaDocument(
            yaml: "schema: \(name)\ncore: { occurred_at: /t }\nfields:\n" + fields.split(separator: ";").map { "  \($0)\n" }.joined()
        )
    }

    private let one = "a: { from: /a, type: string }"

    @Test func numbersVersionsByTheirDifference() async throws {
        let fixture = try await Fixture.make()
        let apply = { (fields: String, breaking: Bool) in
            try await fixture.administration.applySchema(tenant: "acme", document: Self.document(fields), allowBreaking: breaking).version
        }
        #expect(try await apply(one, false) == "1-0-0")
        #expect(try await apply(one, false) == "1-0-0", "the same again changes nothing")
        #expect(try await apply("\(one);b: { from: /b, type: integer }", false) == "1-0-1")
        #expect(try await apply("\(one);c: { from: /b, type: integer, renamed_from: b }", false) == "1-1-0")
        await #expect(throws: StoreError.self) { try await apply("\(one);c: { from: /b, type: integer, required: true }", false) }
        #expect(try await apply("\(one);c: { from: /b, type: integer, required: true }", true) == "2-0-0")
        #expect(try await apply(one, false) == "2-1-0", "an old text again is a version of its own: it is compared with the newest")
        #expect(
            try await fixture.migrated.psql("SELECT string_agg(version, ' ' ORDER BY version_no) FROM schemas")
                == "1-0-0 1-0-1 1-1-0 2-0-0 2-1-0"
        )
        let audited = try await fixture.migrated.psql("SELECT count(*) FROM audit_log WHERE action = 'schema.apply'")
        #expect(audited == "5")
    }

    @Test(arguments: ["1000", "258"])
    func aTenantHasSoManyVersionsAtMost(versions: String) async throws {
        let fixture = try await Fixture.make()
        let size = versions == "1000" ? 10 : 65_200
        try await fixture.migrated.psql(
            """
            INSERT INTO schemas (tenant_id, version_no, name, version, document, checksum)
            SELECT \(fixture.acme.id.rawValue), n, 'other', '1-0-' || n, repeat('x', \(size)), sha256('x')
            FROM generate_series(1, \(versions)) n
            """
        )
        let registry = SchemaRegistry(try await fixture.administration.access(tenant: "acme"))
        do {
            _ = try await registry.apply(Self.document(one), allowBreaking: false, deadline: fixture.deadline)
            Issue.record("applied")
        } catch let error as StoreError {
            #expect(error.code == .full && error.description.contains("16 MiB"), "\(error)")
        }
        let globex = SchemaRegistry(try await fixture.administration.access(tenant: "globex"))
        _ = try await globex.apply(Self.document(one), allowBreaking: false, deadline: fixture.deadline)
    }

    @Test func saysWhyItRefusesABreakingStep() async throws {
        let fixture = try await Fixture.make()
        _ = try await fixture.administration.applySchema(tenant: "acme", document: Self.document(one))
        do {
            _ = try await fixture.administration.applySchema(tenant: "acme", document: Self.document("a: { from: /a, type: integer }"))
            Issue.record("applied")
        } catch let error as StoreError {
            #expect(error.code == .breaking)
            for word in ["2-0-0", "a string becomes integer", "rehearse acme", "--allow-breaking"] {
                #expect(error.description.contains(word), "\(error)")
            }
        }
    }

    /// A record's largest value would be stored once for each field that reads it. What was published before stays readable.
    @Test func publishesNoDocumentWhoseFieldsCrowdOnOnePlace() async throws {
        let fixture = try await Fixture.make()
        let fields = { (count: Int) in (0..<count).map { "f\($0): { from: /shared, type: string }" }.joined(separator: "\n  ") }
        do {
            _ = try await fixture.administration.applySchema(tenant: "acme", document: Self.document(fields(9)))
            Issue.record("applied")
        } catch let error as StoreError {
            #expect(error.code == .invalid && error.description.contains("`/shared`"), "\(error)")
        }
        _ = try await fixture.administration.applySchema(tenant: "acme", document: Self.document(fields(8)))
        let old = try Self.document(fields(9)).canonicalForm
        #expect(try SchemaDocument(yaml: old).fields.count == 9)
    }

    @Test func planningChangesNothing() async throws {
        let fixture = try await Fixture.make()
        let registry = SchemaRegistry(try await fixture.administration.access(tenant: "acme"))
        let plan = try await registry.plan(Self.document("a: { from: /a, type: string, indexed: true }"), deadline: fixture.deadline)
        #expect(plan.version.description == "1-0-0" && plan.change == nil && plan.isAdopted && plan.slots.byField == ["a": 1])
        #expect(try await fixture.migrated.psql("SELECT (SELECT count(*) FROM schemas) + (SELECT count(*) FROM schema_slots)") == "0")
    }

    @Test func theApplyingAPIDoesWhatTheToolDoes() async throws {
        let fixture = try await Fixture.make()
        let access = TenantAccess(fixture.database, tenant: fixture.acme.id, slug: "acme", retentionDays: 90, actor: "key:x")
        let registry = SchemaRegistry(access)
        let indexed = try Self.document("a: { from: /a, type: string, indexed: true }")
        let applied = try await registry.apply(indexed, allowBreaking: false, deadline: fixture.deadline)
        #expect(applied.inForce.version == "1-0-0" && applied.plan.isAdopted)
        let source = try #require(try await fixture.source(fixture.acme))
        #expect(source.schema?.document == indexed && source.schema?.indexedFields.map(\.slot) == [1])
        #expect(try await fixture.migrated.psql("SELECT actor FROM audit_log WHERE action = 'schema.apply'") == "key:x")
        #expect(try await registry.versions(deadline: fixture.deadline).map(\.version) == ["1-0-0"])
        let theirs = TenantAccess(fixture.database, tenant: fixture.globex.id, slug: "globex", retentionDays: 90, actor: "key:y")
        #expect(try await SchemaRegistry(theirs).versions(deadline: fixture.deadline).isEmpty)
    }

    @Test func manyAtOncePublishOneVersionEach() async throws {
        let fixture = try await Fixture.make()
        let access = TenantAccess(fixture.database, tenant: fixture.acme.id, slug: "acme", retentionDays: 90, actor: "key:x")
        let versions = try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<8 {
                group.addTask {
                    let document = try Self.document("a: { from: /a, type: string };b\(number % 4): { from: /b, type: string }")
                    return try await SchemaRegistry(access).apply(document, allowBreaking: true, deadline: fixture.deadline).inForce.version
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(versions.count == 8)
        let rows = try await fixture.migrated.psql("SELECT count(*) = count(DISTINCT version) AND max(version_no) = count(*) FROM schemas")
        #expect(rows == "t")
    }

    @Test func aFieldKeepsItsSlotThroughVersions() async throws {
        let fixture = try await Fixture.make()
        let apply = { (fields: String) in _ = try await fixture.administration.applySchema(tenant: "acme", document: Self.document(fields))
        }
        try await apply("a: { from: /a, type: string, indexed: true };b: { from: /b, type: ip, indexed: true }")
        try await apply("b: { from: /b, type: ip, indexed: true };c: { from: /c, type: ip, indexed: true }")
        try await apply("a: { from: /a, type: string, indexed: true };c: { from: /c, type: ip, indexed: true }")
        #expect(try await fixture.migrated.psql("SELECT field, slot FROM schema_slots ORDER BY slot") == "a|1\nb|2\nc|3")
    }

    @Test func publishedVersionsNeverChange() async throws {
        let fixture = try await Fixture.make()
        _ = try await fixture.administration.applySchema(tenant: "acme", document: Self.document(one))
        for sql in ["UPDATE sluice.schemas SET document = '{}'", "DELETE FROM sluice.schemas", "TRUNCATE sluice.schemas"] {
            await #expect(throws: (any Error).self, "\(sql)") {
                let connection = try await fixture.migrated.connect()
                try await connection.executeScript("SET ROLE sluice_owner; \(sql)", deadline: fixture.deadline)
            }
        }
        let connection = try await fixture.migrated.connect()
        try await connection.executeScript(
            "BEGIN; SET LOCAL sluice.erase_tenant = '\(fixture.acme.id.rawValue)'; DELETE FROM sluice.schemas; COMMIT",
            deadline: fixture.deadline
        )
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM schemas") == "0")
    }
}
