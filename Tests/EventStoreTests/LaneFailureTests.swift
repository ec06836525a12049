import EventCore
import Glibc
import Postgres
import TestSupport
import Testing

@testable import EventStore

/// Connections that end at the worst moments.
@Suite(.fewAtOnce) struct LaneFailureTests {
    private func proxied(_ fixture: Fixture, _ mode: ReplySwallower.Mode, times: Int = 1) async throws -> (ReplySwallower, String) {
        let cluster = try await TestCluster.shared()
        let proxy = try ReplySwallower(upstream: "\(cluster.socketDirectory)/.s.PGSQL.5432", mode: mode, times: times)
        let direct = try ConnectionConfiguration(url: fixture.migrated.apiURL)
        let database = try #require(direct.value(of: "dbname"))
        return (proxy, "user=sluice_api dbname=\(database) host=\(proxy.directory) port=5432")
    }

    private func submit(_ events: [AcceptedEvent], _ fixture: Fixture, to lanes: Lanes) async throws -> [WriteOutcome] {
        try await lanes.submit(events.map { .event($0) }, tenant: fixture.acme.id, deadline: fixture.deadline) { _ in [] }
    }

    @Test(arguments: [1, 2]) func knowsItsOwnRowsAfterALostReplyToCommit(times: Int) async throws {
        let fixture = try await Fixture.make()
        let known = fixture.event(fixture.acme, name: "known")
        _ = try await fixture.writer.store([known], deadline: fixture.deadline)
        let (proxy, url) = try await proxied(fixture, .replyToCommit, times: times)
        defer { proxy.close() }
        let fresh = fixture.event(fixture.acme, name: "fresh")
        let (outcomes, statistics) = try await fixture.writer.withLanes(LaneSettings(lanes: 1), url: url) { lanes in
            (try await submit([known, fresh, fresh], fixture, to: lanes), lanes.statistics)
        }
        #expect(outcomes == [.duplicate, .accepted, .duplicate])
        #expect(statistics.lostReplies == times)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "2")
    }

    @Test func remembersAnExplicitIdAfterALostReplyToCommit() async throws {
        let fixture = try await Fixture.make()
        let (proxy, url) = try await proxied(fixture, .replyToCommit)
        defer { proxy.close() }
        let outcomes = try await fixture.writer.withLanes(LaneSettings(lanes: 1), url: url) { lanes in
            try await lanes.submit(
                [0, 9].map { .event(fixture.event(fixture.acme, secondsAgo: $0, explicitID: "a", content: "c")) },
                tenant: fixture.acme.id,
                deadline: fixture.deadline
            ) { _ in [] }
        }
        #expect(outcomes.count { $0 == .accepted } == 1)
        #expect(outcomes.count { $0 == .duplicate } == 1)
    }

    @Test func countsAQuarantinedRecordOnceAfterALostReplyToCommit() async throws {
        let fixture = try await Fixture.make()
        let (proxy, url) = try await proxied(fixture, .replyToCommit)
        defer { proxy.close() }
        let record = fixture.refused(fixture.acme, body: "bad")
        let outcomes = try await fixture.writer.withLanes(LaneSettings(lanes: 1), url: url) { lanes in
            try await lanes.submit([.quarantine(record)], tenant: fixture.acme.id, deadline: fixture.deadline) { _ in [] }
        }
        #expect(outcomes == [.quarantined(record.reason)])
        #expect(try await fixture.migrated.psql("SELECT count(*), sum(count) FROM quarantine") == "1|1")
    }

    @Test func admitsThatItDoesNotKnowWhenNothingArrived() async throws {
        let fixture = try await Fixture.make()
        let (proxy, url) = try await proxied(fixture, .everythingAfterBegin)
        defer { proxy.close() }
        let event = fixture.event(fixture.acme)
        try await fixture.writer.withLanes(LaneSettings(lanes: 1), url: url) { lanes in
            let error = await #expect(throws: EngineError.self) { _ = try await submit([event], fixture, to: lanes) }
            #expect(error?.code == .outcomeUnknown)
            let again = try await submit([event], fixture, to: lanes)
            #expect(again == [.duplicate])
        }
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "1")
    }

    /// Its number comes too late to tell anything: the row must be there all the same.
    @Test func storesAgainWhatALostServerForgot() async throws {
        var doubts = CommitDoubts()
        let key = EventKey(tenant: TenantID(rawValue: 1), occurredAt: .epoch, id: EventID(high: 1, low: 2))
        doubts.add(number: "7", inserted: [key])
        #expect(doubts.unresolved.map(\.number) == ["7"])
        #expect(doubts.finding(key) == .unknowable)
        doubts.resolve(0, fate: "aborted")
        #expect(doubts.finding(key) == .known)
        doubts.resolve(0, fate: "committed")
        #expect(doubts.finding(key) == .new)
        #expect(doubts.finding(key) == .known)
    }

    /// Its sender would otherwise come back until it had every lane.
    @Test func storesTheOthersWhileATransactionHoldsARow() async throws {
        let fixture = try await Fixture.make()
        let events = (0..<20).map { fixture.event(fixture.acme, secondsAgo: Double($0), name: "\($0)") }
        let held = events[7]
        try await fixture.writer.store([held], deadline: fixture.deadline)
        try await fixture.migrated.psql("CREATE TABLE held AS SELECT * FROM events; DELETE FROM events")
        let holder = try await fixture.migrated.connect()
        try await holder.executeScript("BEGIN; INSERT INTO sluice.events SELECT * FROM sluice.held", deadline: fixture.deadline)
        let statistics = try await fixture.writer.withLanes(LaneSettings(lanes: 1)) { lanes in
            let whole = await #expect(throws: EngineError.self) { _ = try await submit(events, fixture, to: lanes) }
            #expect(whole?.code == .held)
            // What came with it is stored, and the only lane is free although the row is still held.
            for event in events where event.id != held.id {
                #expect(try await submit([event], fixture, to: lanes) == [.duplicate])
            }
            let batches = lanes.statistics.batches
            let again = await #expect(throws: EngineError.self) { _ = try await submit([held], fixture, to: lanes) }
            #expect(again?.code == .held)
            #expect(lanes.statistics.batches == batches + 1)
            try await holder.executeScript("ROLLBACK", deadline: fixture.deadline)
            #expect(
                try await eventually(within: .seconds(30)) {
                    let outcomes = try? await submit([held], fixture, to: lanes)
                    return outcomes == [.accepted]
                }
            )
            return lanes.statistics
        }
        await holder.close()
        #expect(statistics.held >= 2)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "20")
    }

    /// One that hangs may hold a whole batch, and what it holds may be an explicit id.
    @Test func findsAThousandHeldRowsInTime() async throws {
        let fixture = try await Fixture.make()
        let held = (0..<300).map { fixture.event(fixture.acme, secondsAgo: Double($0), name: "\($0)") }
        let claimed = fixture.event(fixture.acme, secondsAgo: 1, name: "claimed", explicitID: "id", content: "c")
        let others = (0..<50).map { fixture.event(fixture.globex, secondsAgo: Double($0), name: "g\($0)") }
        try await fixture.writer.store(held + [claimed], deadline: fixture.deadline)
        try await fixture.migrated.psql(
            """
            CREATE TABLE held AS SELECT * FROM events; DELETE FROM events;
            CREATE TABLE held_ids AS SELECT * FROM remembered_ids; DELETE FROM remembered_ids
            """
        )
        let holder = try await fixture.migrated.connect()
        try await holder.executeScript(
            "BEGIN; INSERT INTO sluice.events SELECT * FROM sluice.held; INSERT INTO sluice.remembered_ids SELECT * FROM sluice.held_ids",
            deadline: fixture.deadline
        )
        try await fixture.writer.withLanes(LaneSettings(lanes: 1)) { lanes in
            for _ in 0..<2 {
                let error = await #expect(throws: EngineError.self) { _ = try await submit(held, fixture, to: lanes) }
                #expect(error?.code == .held)
            }
            // Its sender has no clock: each retry is another row, under the same id.
            for second in [1.0, 2, 3] {
                let again = fixture.event(fixture.acme, secondsAgo: second, name: "claimed", explicitID: "id", content: "c")
                let error = await #expect(throws: EngineError.self) { _ = try await submit([again], fixture, to: lanes) }
                #expect(error?.code == .held)
            }
            let outcomes = try await lanes.submit(others.map { .event($0) }, tenant: fixture.globex.id, deadline: fixture.deadline) { _ in
                []
            }
            #expect(outcomes.allSatisfy { $0 == .accepted })
        }
        await holder.close()
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events") == "50")
    }

    @Test func asksForAHeldRowAgainAfterAWhile() async throws {
        let fixture = try await Fixture.make()
        let rows = HeldRows()
        let now = ContinuousClock.now
        let items = [fixture.acme, fixture.globex].map { EventItem(submission: 0, record: 0, event: fixture.event($0)) }
        let (key, other) = (HeldRows.Key(items[0]), HeldRows.Key(items[1]))
        #expect(!rows.isAnybodyConcerned(in: items, now: now))
        rows.insert(key, of: fixture.acme.id, now: now)
        #expect(rows.contains(key, now: now) && !rows.contains(other, now: now))
        #expect(rows.isAnybodyConcerned(in: items, now: now) && !rows.isAnybodyConcerned(in: [items[1]], now: now))
        #expect(!rows.contains(key, now: now + HeldRows.pause))
        #expect(rows.isAnybodyConcerned(in: items, now: now + HeldRows.pause))
        #expect(!rows.isAnybodyConcerned(in: items, now: now + HeldRows.caution))
    }

    @Test func losesAndDoublesNothingWhileItsBackendsAreKilled() async throws {
        let fixture = try await Fixture.make()
        let killer = try await fixture.migrated.connect()
        let isOver = Locked(false)
        let statistics = try await fixture.writer.withLanes { lanes in
            let killing = Task {
                var killed = 0
                while !isOver.value {
                    let query = Query(
                        """
                        SELECT pg_terminate_backend(pid) FROM pg_stat_activity, pg_sleep(0.005)
                        WHERE usename = 'sluice_api' AND datname = current_database()
                        """
                    )
                    killed += try await killer.execute(query, deadline: fixture.deadline).count
                }
                return killed
            }
            let accepted = try await withThrowingTaskGroup(of: Int.self) { group in
                for worker in 0..<8 {
                    group.addTask { try await storeAll((0..<100).map { "\(worker)-\($0)" }, fixture, to: lanes) }
                }
                return try await group.reduce(0, +)
            }
            isOver.value = true
            #expect(try await killing.value > 0)
            // None was called accepted twice. One whose reply was lost before it said what was new is a duplicate when it comes again.
            #expect(accepted > 0 && accepted <= 1_600)
            return lanes.statistics
        }
        await killer.close()
        #expect(statistics.accepted <= 1_600)
        #expect(try await fixture.migrated.psql("SELECT count(*), count(DISTINCT fields) FROM events") == "1600|1600")
    }

    /// A backend that is killed takes the whole server with it, and what it had not written to disk; transactions' numbers are then
    /// given out again.
    @Test func acknowledgesOnlyWhatSurvivesACrash() async throws {
        let cluster = try await TestCluster.startPrivate()
        let fixture = try await Fixture.make(in: try await MigratedDatabase.make(in: cluster))
        // Clusters for tests forget what they acknowledged last. (A process that is killed leaves its writes to the system: no fsync.)
        for setting in ["synchronous_commit", "full_page_writes"] { try await cluster.psql("ALTER SYSTEM SET \(setting) = on") }
        try await cluster.psql("SELECT pg_reload_conf()")
        let database = try #require(try ConnectionConfiguration(url: fixture.migrated.adminURL).value(of: "dbname"))
        let isOver = Locked(false)
        let sent = try await fixture.writer.withLanes { lanes in
            let crashing = Task {
                defer { isOver.value = true }
                var crashes = 0
                while crashes < 4 {
                    let busy = "SELECT pid FROM pg_stat_activity WHERE usename = 'sluice_api' AND state = 'active' LIMIT 1"
                    guard let pid = try? await Int32(cluster.psql(busy, database: database)) else { continue }
                    try TestCluster.signal(pid, SIGKILL)
                    crashes += 1
                    // It is up again and writes.
                    let count = lanes.statistics.accepted
                    #expect(try await eventually(within: .seconds(60)) { lanes.statistics.accepted > count + 20 })
                }
            }
            let sent = try await withThrowingTaskGroup(of: Int.self) { group in
                for worker in 0..<8 {
                    group.addTask {
                        var number = 0
                        while !isOver.value {
                            _ = try await storeAll(["\(worker)-\(number)"], fixture, to: lanes)
                            number += 1
                        }
                        return number
                    }
                }
                return try await group.reduce(0, +)
            }
            try await crashing.value
            return sent
        }
        let rows = try await cluster.psql("SELECT count(*), count(DISTINCT fields) FROM sluice.events", database: database)
        #expect(rows == "\(2 * sent)|\(2 * sent)")
        try await cluster.remove()
    }

    /// Two new events and one known a submission, again until acknowledged; how many were accepted.
    private func storeAll(_ names: [String], _ fixture: Fixture, to lanes: Lanes) async throws -> Int {
        var accepted = 0
        var before: AcceptedEvent?
        for name in names {
            let events = ["a", "b"].map { fixture.event(fixture.acme, secondsAgo: Double(name.count), name: name + $0) }
            let sent = events + [before].compactMap { $0 }
            while true {
                do {
                    let outcomes = try await submit(sent, fixture, to: lanes)
                    accepted += outcomes.count { $0 == .accepted }
                    #expect(outcomes.count == sent.count)
                    if before != nil { #expect(outcomes.last == .duplicate) }
                    break
                } catch let error as EngineError where error.code != .stopping && error.code != .queueFull {
                    continue
                }
            }
            before = events.last
        }
        return accepted
    }
}
