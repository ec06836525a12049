import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

@Suite struct EventWriterTests {
    @Test func storesAnEventOnce() async throws {
        let fixture = try await Fixture.make()
        let event = fixture.event(fixture.acme)
        #expect(try await fixture.writer.store([event], deadline: fixture.deadline) == [.accepted])
        #expect(try await fixture.writer.store([event], deadline: fixture.deadline) == [.duplicate])
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "1")
    }

    @Test func countsTheSecondOfTwoEqualEventsInABatchAsADuplicate() async throws {
        let fixture = try await Fixture.make()
        let first = fixture.event(fixture.acme, name: "first")
        let second = fixture.event(fixture.acme, name: "second")
        let outcomes = try await fixture.writer.store([first, second, first], deadline: fixture.deadline)
        #expect(outcomes == [.accepted, .accepted, .duplicate])
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "2")
    }

    @Test func keepsTheSameEventOfTwoTenantsApart() async throws {
        let fixture = try await Fixture.make()
        let events = [fixture.event(fixture.acme), fixture.event(fixture.globex)]
        #expect(try await fixture.writer.store(events, deadline: fixture.deadline) == [.accepted, .accepted])
    }

    @Test func storesEveryColumn() async throws {
        let fixture = try await Fixture.make()
        let event = fixture.event(
            fixture.acme,
            name: "zoë",
            type: "granted",
            actor: "john.doe",
            machine: "M",
            slots: ["one", nil, nil, nil, nil, nil, nil, "eight"]
        )
        _ = try await fixture.writer.store([event, fixture.event(fixture.acme, name: "bare")], deadline: fixture.deadline)
        let row = try await fixture.migrated.psql(
            "SELECT type, actor, machine, k1, k2, k8, fields, extra, version_no FROM events WHERE id = '\(event.id)'"
        )
        #expect(row == #"granted|john.doe|M|one||eight|{"name": "zoë"}|{}|0"#)
    }

    @Test func makesTheMonthOfAnOldEvent() async throws {
        let fixture = try await Fixture.make()
        let events = [fixture.event(fixture.acme, secondsAgo: 400 * day), fixture.event(fixture.acme, name: "now")]
        #expect(try await fixture.writer.store(events, deadline: fixture.deadline) == [.accepted, .accepted])
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM months WHERE caused_by IS NOT NULL") == "1")
    }

    @Test func storesTheRestWhenAMonthCannotBeHad() async throws {
        let fixture = try await Fixture.make()
        try await fixture.migrated.psql(
            """
            INSERT INTO months (month, caused_by)
            SELECT '1990-01-01'::date + make_interval(months => m), \(fixture.acme.id.rawValue) FROM generate_series(0, 23) m
            """
        )
        let events = [fixture.event(fixture.acme, secondsAgo: 400 * day), fixture.event(fixture.acme, name: "now")]
        #expect(try await fixture.writer.store(events, deadline: fixture.deadline) == [.monthUnavailable, .accepted])
        // Another tenant has months of its own to cause.
        let other = fixture.event(fixture.globex, secondsAgo: 400 * day)
        #expect(try await fixture.writer.store([other], deadline: fixture.deadline) == [.accepted])
    }

    @Test func makesOneMonthForManyWhoNeedItAtOnce() async throws {
        let fixture = try await Fixture.make()
        let outcomes = try await withThrowingTaskGroup(of: [WriteOutcome].self) { group in
            for number in 0..<16 {
                let event = fixture.event(fixture.acme, secondsAgo: 500 * day, name: "e\(number)")
                group.addTask { try await fixture.writer.store([event], deadline: fixture.deadline) }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(outcomes == Array(repeating: .accepted, count: 16))
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM months WHERE caused_by IS NOT NULL") == "1")
    }

    @Test func acceptsOneOfManyEqualEventsAtOnce() async throws {
        let fixture = try await Fixture.make()
        let event = fixture.event(fixture.acme)
        let outcomes = try await withThrowingTaskGroup(of: [WriteOutcome].self) { group in
            for _ in 0..<32 { group.addTask { try await fixture.writer.store([event], deadline: fixture.deadline) } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(outcomes.count { $0 == .accepted } == 1)
        #expect(outcomes.count { $0 == .duplicate } == 31)
    }

    @Test func refusesNothingSilentlyWhenItMayNotWrite() async throws {
        let fixture = try await Fixture.make()
        try await fixture.migrated.psql("REVOKE INSERT ON events FROM sluice_writer")
        await #expect(throws: PostgresError.self) {
            _ = try await fixture.writer.store([fixture.event(fixture.acme)], deadline: fixture.deadline)
        }
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "0")
    }
}

@Suite struct MonthTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"), ("2024-02-29T23:59:59.999999Z", "2024-02-01T00:00:00Z"),
        ("2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z"), ("2000-03-01T00:00:00Z", "2000-03-01T00:00:00Z"),
        ("1969-12-31T23:59:59Z", "1969-12-01T00:00:00Z"), ("2100-02-28T12:00:00Z", "2100-02-01T00:00:00Z"),
    ])
    func startsOnItsFirstDay(time: String, first: String) throws {
        let month = Month(of: try #require(Timestamp(rfc3339: time)))
        #expect(month.start(monthsBack: 0).rfc3339() == first)
    }

    @Test func countsBackOverYears() throws {
        let month = Month(of: try #require(Timestamp(rfc3339: "2026-02-10T00:00:00Z")))
        #expect(month.start(monthsBack: 1).rfc3339() == "2026-01-01T00:00:00Z")
        #expect(month.start(monthsBack: 26).rfc3339() == "2023-12-01T00:00:00Z")
    }
}
