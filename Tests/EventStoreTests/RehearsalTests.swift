import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

@Suite struct RehearsalTests {
    @Test(arguments: [true, false])
    func saysWhatADraftWouldDoAndWritesNothing(byAPI: Bool) async throws {
        let scene = try await QuarantineReplayTests.Scene.make()
        let access = byAPI ? scene.access : try await scene.fixture.administration.access(tenant: "acme")
        try await scene.submit([
            try await scene.sent(scene.body(1, #","b":"x""#)), try await scene.sent(scene.body(2, #","b":"long""#)),
            try await scene.sent(scene.body(3)),
            try await scene.sent(scene.body(4)), try await scene.sent(scene.body(5, #","b":false"#)),
        ])
        let before = try await scene.counts()
        let draft = try SchemaRegistryTests.document("b: { from: /b, type: string, max_length: 1 };n: { from: /n, type: integer }")
        let report = try await Rehearsal(access).run(draft, days: 30)
        #expect((report.passing, report.breaking, report.rescued) == (1, 1, 2))
        #expect(report.failing == ["type_mismatch": 1])
        #expect(report.rescuedExamples.count == 2 && report.failingExamples.map(\.reason.code) == ["type_mismatch"])
        let waiting = Set(report.rescuedExamples + report.failingExamples.map(\.id))
        let ids = try await scene.fixture.migrated.psql("SELECT id FROM quarantine").split(separator: "\n").map(String.init)
        #expect(Set(waiting.map(\.description)) == Set(ids), "examples are named as the quarantine is")
        #expect(
            report.examples.count == 1 && report.examples.first?.reason.code == "too_long" && report.examples.first?.reason.pointer == "/b"
        )
        #expect(report.plan.version.description == "2-0-0" && report.sources == ["default"])
        #expect(try await scene.counts() == before)
        #expect(try await scene.fixture.migrated.psql("SELECT count(*) FROM schemas") == "1")
    }

    @Test func needsASourceThatReadsWithTheSchema() async throws {
        let scene = try await QuarantineReplayTests.Scene.make()
        let other = try SchemaRegistryTests.document("b: { from: /b, type: string }", name: "other")
        await #expect(throws: StoreError.self) { try await Rehearsal(scene.access).run(other, days: 30) }
        #expect(try await Rehearsal(scene.access).run(other, source: "default", days: 30).passing == 0)
    }

    @Test func looksBackSoManyDaysOnly() async throws {
        let scene = try await QuarantineReplayTests.Scene.make()
        let time = Timestamp(microsecondsSince1970: scene.fixture.now.microsecondsSince1970 - 3 * 86_400_000_000)
        let old = scene.fixture.refused(
            scene.fixture.acme,
            body: "{\"t\":\"\(time.rfc3339())\"}",
            source: try await scene.fixture.source(scene.fixture.acme)?.id.rawValue,
            secondsAgo: 3 * day
        )
        try await scene.fixture.migrated.psql("SELECT sluice.ensure_planned_months()")
        try await scene.submit([.quarantine(old)])
        let draft = try SchemaRegistryTests.document("b: { from: /b, type: string }")
        #expect(try await Rehearsal(scene.access).run(draft, days: 2).rescued == 0)
        #expect(try await Rehearsal(scene.access).run(draft, days: 4).rescued == 1)
    }
}
