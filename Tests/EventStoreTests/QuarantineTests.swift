import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

@Suite(.fewAtOnce) struct QuarantineTests {
    private func submit(_ records: [QuarantinedRecord], _ fixture: Fixture, to lanes: Lanes) async throws -> [WriteOutcome] {
        try await lanes.submit(records.map { .quarantine($0) }, tenant: fixture.acme.id, deadline: fixture.deadline) { _ in [] }
    }

    private func submit(_ records: [QuarantinedRecord], _ fixture: Fixture) async throws -> [WriteOutcome] {
        try await fixture.writer.withLanes { try await submit(records, fixture, to: $0) }
    }

    @Test func keepsTheWholeRecordWithItsReason() async throws {
        let fixture = try await Fixture.make()
        let record = fixture.refused(fixture.acme, body: #"{"b":"\u0000"}"#)
        #expect(try await submit([record], fixture) == [.quarantined(record.reason)])
        let row = try await fixture.migrated.psql(
            "SELECT tenant_id, source_id, version_no, reason, pointer, detail, convert_from(body, 'UTF8'), count FROM quarantine"
        )
        #expect(row == #"\#(fixture.acme.id)|1|1|missing_field|/a|there is no such member|{"b":"\u0000"}|1"#)
    }

    @Test func keepsOneCopyOfARepeatedBody() async throws {
        let fixture = try await Fixture.make()
        let old = fixture.refused(fixture.acme, body: "same", secondsAgo: 100)
        _ = try await submit([old, fixture.refused(fixture.acme, body: "other")], fixture)
        _ = try await submit(
            [fixture.refused(fixture.acme, body: "same"), fixture.refused(fixture.acme, body: "same", source: 2)],
            fixture
        )
        let rows = try await fixture.migrated.psql(
            "SELECT convert_from(body, 'UTF8'), source_id, count, last_received_at - received_at FROM quarantine ORDER BY 1, 2"
        )
        #expect(rows == "other|1|1|00:00:00\nsame|1|2|00:01:40\nsame|2|1|00:00:00")
        #expect(try await fixture.migrated.psql("SELECT bytes FROM quarantine_usage") == "\(3 * 256 + 4 + 4 + 5)")
    }

    @Test func makesOneRowOfManyAtOnce() async throws {
        let fixture = try await Fixture.make()
        try await fixture.writer.withLanes(LaneSettings(lanes: 8), gathering: false) { lanes in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<32 {
                    group.addTask {
                        let outcomes = try await submit([fixture.refused(fixture.acme, body: "same")], fixture, to: lanes)
                        #expect(outcomes.count == 1)
                    }
                }
                try await group.waitForAll()
            }
        }
        #expect(try await fixture.migrated.psql("SELECT count(*), sum(count) FROM quarantine") == "1|32")
    }

    @Test func countsARecordThatIsWrittenAgainOnce() async throws {
        let fixture = try await Fixture.make()
        let first = fixture.refused(fixture.acme, body: "same")
        let second = fixture.refused(fixture.acme, body: "same")
        for record in [first, first, second, second] { _ = try await submit([record], fixture) }
        #expect(try await fixture.migrated.psql("SELECT count(*), sum(count) FROM quarantine") == "1|2")
    }

    @Test func countsRepeatsWithinABatchAndTheirRetryOnce() async throws {
        let fixture = try await Fixture.make()
        let records = (0..<1000).map { fixture.refused(fixture.acme, body: $0 % 10 == 0 ? "other" : "same") }
        for _ in 0..<2 {
            #expect(try await submit(records, fixture) == records.map { .quarantined($0.reason) })
            let rows = try await fixture.migrated.psql("SELECT convert_from(body, 'UTF8'), count FROM quarantine ORDER BY 1")
            #expect(rows == "other|100\nsame|900")
        }
    }

    @Test func saysWhenATenantsQuarantineIsFull() async throws {
        let fixture = try await Fixture.make()
        try await fixture.migrated.psql(#"UPDATE tenants SET limits = '{"quarantine_bytes": 1000}' WHERE slug = 'acme'"#)
        let bodies = ["a", "b", "c"].map { String(repeating: $0, count: 100) }
        let records = bodies.map { fixture.refused(fixture.acme, body: $0) }
        let reason = records[0].reason
        #expect(try await submit(records, fixture) == [.quarantined(reason), .quarantined(reason), .quarantineFull(reason)])
        // One that is there already needs no room, and another tenant's quarantine has some.
        #expect(try await submit([fixture.refused(fixture.acme, body: bodies[0])], fixture) == [.quarantined(reason)])
        let theirs = WriteRecord.quarantine(fixture.refused(fixture.globex, body: bodies[2]))
        let outcomes = try await fixture.writer.withLanes {
            try await $0.submit([theirs], tenant: fixture.globex.id, deadline: fixture.deadline) { _ in [] }
        }
        #expect(outcomes == [.quarantined(reason)])
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM quarantine") == "3")
    }

    @Test func forgetsAfterThirtyDaysAndHasRoomAgain() async throws {
        let fixture = try await Fixture.make()
        _ = try await submit((0..<4).map { fixture.refused(fixture.acme, body: "\($0)") }, fixture)
        try await fixture.migrated.psql(
            """
            SET timezone = 'UTC'; SET search_path = pg_catalog, sluice;
            SELECT make_partition('quarantine', date_trunc('month', now() - interval '40 days')::date);
            UPDATE quarantine SET received_at = now() - interval '40 days', last_received_at = now() - interval '31 days'
            WHERE body IN ('0', '1');
            UPDATE quarantine SET received_at = now() - interval '40 days', last_received_at = now() - interval '29 days' WHERE body = '2'
            """
        )
        let installation = Installation(fixture.database)
        try await fixture.migrated.psql("UPDATE tenants SET held_at = now()")
        #expect(try await installation.sweep(deadline: fixture.deadline) == 0)
        try await fixture.migrated.psql("UPDATE tenants SET held_at = NULL")
        #expect(try await installation.sweep(deadline: fixture.deadline) == 2)
        #expect(try await installation.sweep(deadline: fixture.deadline) == 0)
        #expect(try await fixture.migrated.psql("SELECT bytes FROM quarantine_usage") == "\(2 * 257)")
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM quarantine") == "2")
    }

    @Test func takesAPointerToAMemberWhoseNameHoldsTheNULCharacter() async throws {
        let fixture = try await Fixture.make()
        let record = QuarantinedRecord(
            tenant: fixture.acme.id,
            source: nil,
            versionNumber: nil,
            receivedAt: fixture.now,
            reason: QuarantineReason(code: "nul_character", pointer: "/a\0", detail: ""),
            body: [0, 255]
        )
        #expect(try await submit([record], fixture) == [.quarantined(record.reason)])
        #expect(try await fixture.migrated.psql("SELECT pointer, encode(body, 'hex') FROM quarantine") == "/a\u{FFFD}|00ff")
    }
}
