import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

@Suite(.fewAtOnce) struct LanesTests {
    private func submit(
        _ events: [AcceptedEvent],
        to lanes: Lanes,
        for tenant: TenantRecord,
        deadline: ContinuousClock.Instant
    ) async throws -> [WriteOutcome] {
        try await lanes.submit(events.map { .event($0) }, tenant: tenant.id, deadline: deadline) { Array("body \($0)".utf8) }
    }

    @Test func storesAnEventOnce() async throws {
        let fixture = try await Fixture.make()
        let event = fixture.event(fixture.acme)
        #expect(try await fixture.writer.store([event], deadline: fixture.deadline) == [.accepted])
        #expect(try await fixture.writer.store([event], deadline: fixture.deadline) == [.duplicate])
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "1")
    }

    @Test func countsTheSecondOfTwoEqualEventsInASubmissionAsADuplicate() async throws {
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

    @Test func makesAMonthAgainThatWasDropped() async throws {
        let fixture = try await Fixture.make()
        let outcomes = try await fixture.writer.withLanes { lanes in
            let first = fixture.event(fixture.acme, secondsAgo: 400 * day, name: "first")
            let before = try await submit([first], to: lanes, for: fixture.acme, deadline: fixture.deadline)
            let name = try await fixture.migrated.psql("SELECT to_char(month, 'YYYY_MM') FROM months WHERE caused_by IS NOT NULL")
            try await fixture.migrated.psql("DROP TABLE sluice.events_\(name); DELETE FROM months WHERE caused_by IS NOT NULL")
            let second = fixture.event(fixture.acme, secondsAgo: 400 * day, name: "second")
            return before + (try await submit([second], to: lanes, for: fixture.acme, deadline: fixture.deadline))
        }
        #expect(outcomes == [.accepted, .accepted])
    }

    @Test func quarantinesWhatHasNoMonthAndStoresTheRest() async throws {
        let fixture = try await Fixture.make()
        try await fixture.migrated.psql(
            """
            INSERT INTO months (month, caused_by)
            SELECT '1990-01-01'::date + make_interval(months => m), \(fixture.acme.id.rawValue) FROM generate_series(0, 23) m
            """
        )
        let events = [
            fixture.event(fixture.acme, secondsAgo: 400 * day), fixture.event(fixture.acme, name: "now"),
            fixture.event(fixture.acme, secondsAgo: 20_000 * day),
        ]
        let outcomes = try await fixture.writer.store(events, deadline: fixture.deadline)
        #expect(outcomes == [.quarantined(.monthUnavailable), .accepted, .quarantined(.timestampOutOfRange)])
        // Another tenant has months of its own to cause.
        let other = fixture.event(fixture.globex, secondsAgo: 400 * day)
        #expect(try await fixture.writer.store([other], deadline: fixture.deadline) == [.accepted])
    }

    @Test func makesOneMonthForManyWhoNeedItAtOnce() async throws {
        let fixture = try await Fixture.make()
        let outcomes = try await fixture.writer.withLanes { lanes in
            try await withThrowingTaskGroup(of: [WriteOutcome].self) { group in
                for number in 0..<16 {
                    let event = fixture.event(fixture.acme, secondsAgo: 500 * day, name: "e\(number)")
                    group.addTask { try await submit([event], to: lanes, for: fixture.acme, deadline: fixture.deadline) }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
        }
        #expect(outcomes == Array(repeating: .accepted, count: 16))
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM months WHERE caused_by IS NOT NULL") == "1")
    }

    @Test func acceptsOneOfManyEqualEventsAtOnce() async throws {
        let fixture = try await Fixture.make()
        let event = fixture.event(fixture.acme)
        let outcomes = try await fixture.writer.withLanes(gathering: false) { lanes in
            try await withThrowingTaskGroup(of: [WriteOutcome].self) { group in
                for _ in 0..<32 {
                    group.addTask { try await submit([event], to: lanes, for: fixture.acme, deadline: fixture.deadline) }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
        }
        #expect(outcomes.count { $0 == .accepted } == 1)
        #expect(outcomes.count { $0 == .duplicate } == 31)
    }

    @Test func quarantinesTheOneBadRowOfAThousand() async throws {
        let fixture = try await Fixture.make()
        let events = (0..<1_000).map { number in
            fixture.event(fixture.acme, secondsAgo: Double(number), name: "\(number)", fields: number == 617 ? #"{"a":"\u0000"}"# : nil)
        }
        let outcomes = try await fixture.writer.withLanes { lanes in
            try await submit(events, to: lanes, for: fixture.acme, deadline: fixture.deadline)
        }
        #expect(outcomes.count { $0 == .accepted } == 999)
        #expect(outcomes[617] == .quarantined(.unstorable))
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "999")
        #expect(try await fixture.migrated.psql("SELECT reason, convert_from(body, 'UTF8') FROM quarantine") == "unstorable|body 617")
    }

    @Test func neverDeadlocksOnOverlappingSubmissionsInOppositeOrders() async throws {
        let fixture = try await Fixture.make()
        let events = (0..<300).map { fixture.event(fixture.acme, secondsAgo: Double($0 % 50), name: "\($0)") }
        let (outcomes, statistics) = try await fixture.writer.withLanes(LaneSettings(lanes: 8)) { lanes in
            let outcomes = try await withThrowingTaskGroup(of: [WriteOutcome].self) { group in
                for number in 0..<32 {
                    let mine = Array(events[(number * 5)..<(number * 5 + 140)])
                    group.addTask {
                        try await submit(number % 2 == 0 ? mine : mine.reversed(), to: lanes, for: fixture.acme, deadline: fixture.deadline)
                    }
                }
                return try await group.reduce(into: [WriteOutcome]()) { $0 += $1 }
            }
            return (outcomes, lanes.statistics)
        }
        #expect(outcomes.count == 32 * 140)
        #expect(outcomes.count { $0 == .accepted } == 31 * 5 + 140)
        #expect(outcomes.count { $0 == .duplicate } == 32 * 140 - 31 * 5 - 140)
        #expect(statistics.retries == 0)
        #expect(statistics.accepted == 31 * 5 + 140)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "\(31 * 5 + 140)")
    }

    @Test func saysUnavailableWhenItMayNotWrite() async throws {
        let fixture = try await Fixture.make()
        try await fixture.migrated.psql("REVOKE INSERT ON events FROM sluice_writer")
        let error = await #expect(throws: EngineError.self) {
            _ = try await fixture.writer.store([fixture.event(fixture.acme)], deadline: fixture.deadline)
        }
        #expect(error?.code == .unavailable)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "0")
    }

    @Test func finishesWhatItTookWhenItStops() async throws {
        let fixture = try await Fixture.make()
        let lanes = Lanes(try ConnectionConfiguration(url: fixture.migrated.apiURL))
        let event = fixture.event(fixture.acme)
        let task = Task { try await submit([event], to: lanes, for: fixture.acme, deadline: fixture.deadline) }
        #expect(try await eventually { lanes.statistics.waitingRecords == 1 })
        lanes.stop()
        await lanes.run()
        #expect(try await task.value == [.accepted])
        let error = await #expect(throws: EngineError.self) {
            _ = try await submit([event], to: lanes, for: fixture.acme, deadline: fixture.deadline)
        }
        #expect(error?.code == .stopping)
    }

    @Test func answersEveryoneWhenItsTaskIsCancelled() async throws {
        let fixture = try await Fixture.make()
        let lanes = Lanes(try ConnectionConfiguration(url: "host=/nowhere dbname=none"))
        let event = fixture.event(fixture.acme)
        let running = Task { await lanes.run() }
        let task = Task { try await submit([event], to: lanes, for: fixture.acme, deadline: .now + .seconds(60)) }
        #expect(try await eventually { lanes.statistics.waitingRecords == 1 })
        running.cancel()
        await running.value
        await #expect(throws: EngineError.self) { _ = try await task.value }
    }

    @Test func keepsDeadlinesWhileNoLaneCanWrite() async throws {
        let fixture = try await Fixture.make()
        try await fixture.writer.withLanes(url: "host=/nowhere dbname=none") { lanes in
            let start = ContinuousClock.now
            let error = await #expect(throws: EngineError.self) {
                _ = try await submit([fixture.event(fixture.acme)], to: lanes, for: fixture.acme, deadline: .now + .milliseconds(100))
            }
            #expect(error?.code == .deadlinePassed)
            #expect(ContinuousClock.now - start < .seconds(5))
            #expect(lanes.statistics.waitingRecords == 0)
        }
    }

    @Test func restsAfterAFloodsBatchWhileSomebodyElseIsAbout() async throws {
        let fixture = try await Fixture.make()
        var queue = LaneSettings().queue
        queue.pacedRest = 1_000_000
        queue.longestRest = .seconds(3)
        queue.sharedFor = .seconds(3_600)
        let lanes = Lanes(try ConnectionConfiguration(url: fixture.migrated.apiURL), queue: queue)
        let running = Task { await lanes.run() }
        try #require(try await eventually { lanes.statistics.connections == 3 })
        func single(_ number: Int) async throws {
            let event = fixture.event(fixture.globex, name: "\(number)")
            #expect(try await submit([event], to: lanes, for: fixture.globex, deadline: fixture.deadline) == [.accepted])
        }
        try await single(0)
        let flood = Task {
            let events = (0..<150).map { fixture.event(fixture.acme, name: "\($0)") }
            return try await submit(events, to: lanes, for: fixture.acme, deadline: .now + .seconds(3_600))
        }
        #expect(try await eventually { lanes.statistics.accepted >= 26 })
        // Time enough for what is left of the flood, if no lane rested.
        for number in 1...20 { try await single(number) }
        lanes.expire(.now + .seconds(3_601))
        await #expect(throws: EngineError.self) { _ = try await flood.value }
        running.cancel()
        await running.value
        #expect(lanes.statistics.accepted < 150)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "\(lanes.statistics.accepted)")
    }

    @Test func refusesMoreThanMayWait() async throws {
        let fixture = try await Fixture.make()
        let settings = LaneSettings(lanes: 1, maximumWaitingRecords: 4)
        try await fixture.writer.withLanes(settings, url: "host=/nowhere dbname=none") { lanes in
            let waiting = Task {
                try await submit(
                    [fixture.event(fixture.acme), fixture.event(fixture.acme, name: "2")],
                    to: lanes,
                    for: fixture.acme,
                    deadline: .now + .seconds(60)
                )
            }
            let isWaiting = try await eventually { lanes.statistics.waitingRecords == 2 }
            #expect(isWaiting)
            let error = await #expect(throws: EngineError.self) {
                _ = try await submit([fixture.event(fixture.acme)], to: lanes, for: fixture.acme, deadline: fixture.deadline)
            }
            #expect(error?.code == .queueFull)
            lanes.expire(.now + .seconds(61))
            await #expect(throws: EngineError.self) { _ = try await waiting.value }
        }
    }
}
