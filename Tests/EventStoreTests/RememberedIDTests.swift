import EventCore
import TestSupport
import Testing

@testable import EventStore

@Suite(.fewAtOnce) struct RememberedIDTests {
    private func submit(_ records: [WriteRecord], _ fixture: Fixture, to lanes: Lanes) async throws -> [WriteOutcome] {
        try await lanes.submit(records, tenant: fixture.acme.id, deadline: fixture.deadline) { Array("body \($0)".utf8) }
    }

    @Test func findsARetryWithAnotherTime() async throws {
        let fixture = try await Fixture.make()
        let outcomes = try await fixture.writer.withLanes { lanes in
            let first = try await submit([.event(fixture.event(fixture.acme, explicitID: "a", content: "c"))], fixture, to: lanes)
            let second = try await submit(
                [.event(fixture.event(fixture.acme, secondsAgo: 60, explicitID: "a", content: "c"))],
                fixture,
                to: lanes
            )
            let same = try await submit([.event(fixture.event(fixture.acme, explicitID: "a", content: "c"))], fixture, to: lanes)
            return first + second + same
        }
        #expect(outcomes == [.accepted, .duplicate, .duplicate])
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "1")
    }

    @Test func quarantinesAnIdWithOtherContent() async throws {
        let fixture = try await Fixture.make()
        let outcomes = try await fixture.writer.withLanes { lanes in
            let first = try await submit([.event(fixture.event(fixture.acme, explicitID: "a", content: "c"))], fixture, to: lanes)
            let other = WriteRecord.event(fixture.event(fixture.acme, name: "other", explicitID: "a", content: "d"))
            return first
                + (try await submit(
                    [.event(fixture.event(fixture.acme, name: "b", explicitID: "b", content: "c")), other],
                    fixture,
                    to: lanes
                ))
        }
        #expect(outcomes == [.accepted, .accepted, .quarantined(.idReused)])
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "2")
        #expect(try await fixture.migrated.psql("SELECT reason, convert_from(body, 'UTF8') FROM quarantine") == "id_reused|body 1")
    }

    @Test func keepsTheIdsOfTwoSourcesApart() async throws {
        let fixture = try await Fixture.make()
        let events = [1, 2].map { fixture.event(fixture.acme, name: "\($0)", source: $0, explicitID: "a", content: "c") }
        let outcomes = try await fixture.writer.withLanes { lanes in
            try await submit(events.map { .event($0) }, fixture, to: lanes)
        }
        #expect(outcomes == [.accepted, .accepted])
    }

    @Test func storesEventsWithAndWithoutAnIdTogether() async throws {
        let fixture = try await Fixture.make()
        let plain = fixture.event(fixture.acme, name: "plain")
        let outcomes = try await fixture.writer.withLanes { lanes in
            try await submit(
                [
                    .event(plain), .event(fixture.event(fixture.acme, name: "1", explicitID: "1", content: "c")),
                    .event(fixture.event(fixture.acme, secondsAgo: 5, name: "1", explicitID: "1", content: "c")), .event(plain),
                ],
                fixture,
                to: lanes
            )
        }
        #expect(outcomes.count { $0 == .accepted } == 2)
        #expect(outcomes.count { $0 == .duplicate } == 2)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "2")
    }

    @Test func acceptsOneOfManyFirstUsesAtOnce() async throws {
        let fixture = try await Fixture.make()
        let outcomes = try await fixture.writer.withLanes(LaneSettings(lanes: 8), gathering: false) { lanes in
            try await withThrowingTaskGroup(of: [WriteOutcome].self) { group in
                for number in 0..<32 {
                    let mine = WriteRecord.event(fixture.event(fixture.acme, secondsAgo: Double(number), explicitID: "a", content: "c"))
                    group.addTask { try await submit([mine], fixture, to: lanes) }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
        }
        #expect(outcomes.count { $0 == .accepted } == 1)
        #expect(outcomes.count { $0 == .duplicate } == 31)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "1")
    }

    @Test func neverDeadlocksOnIdsInOppositeOrders() async throws {
        let fixture = try await Fixture.make()
        let (outcomes, statistics) = try await fixture.writer.withLanes(LaneSettings(lanes: 8)) { lanes in
            let outcomes = try await withThrowingTaskGroup(of: [WriteOutcome].self) { group in
                for number in 0..<32 {
                    let events = (0..<100).map {
                        WriteRecord.event(
                            fixture.event(fixture.acme, secondsAgo: Double(number), name: "\($0)", explicitID: "\($0)", content: "c")
                        )
                    }
                    group.addTask { try await submit(number % 2 == 0 ? events : events.reversed(), fixture, to: lanes) }
                }
                return try await group.reduce(into: [WriteOutcome]()) { $0 += $1 }
            }
            return (outcomes, lanes.statistics)
        }
        #expect(outcomes.count { $0 == .accepted } == 100)
        #expect(outcomes.count { $0 == .duplicate } == 3_100)
        #expect(statistics.retries == 0)
    }

    @Test func remembersIdsForSevenDays() async throws {
        let fixture = try await Fixture.make()
        let ids = (0..<5).map { WriteRecord.event(fixture.event(fixture.acme, name: "\($0)", explicitID: "\($0)", content: "c")) }
        _ = try await fixture.writer.withLanes { try await submit(ids, fixture, to: $0) }
        try await fixture.migrated.psql(
            """
            UPDATE remembered_ids SET seen_at = now() - interval '7 days 1 minute'
            WHERE key_digest IN (sha256('0'), sha256('1'));
            UPDATE remembered_ids SET seen_at = now() - interval '6 days 23 hours' WHERE key_digest = sha256('2')
            """
        )
        #expect(try await Installation(fixture.database).sweep(deadline: fixture.deadline) == 2)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM remembered_ids") == "3")
        #expect(try await Installation(fixture.database).sweep(deadline: fixture.deadline) == 0)
    }
}
