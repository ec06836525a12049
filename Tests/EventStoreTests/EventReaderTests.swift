import EventCore
import TestSupport
import Testing

@testable import EventStore

@Suite(.fewAtOnce) struct EventReaderTests {
    @Test func readsNewestFirstAcrossMonths() async throws {
        let fixture = try await Fixture.make()
        let ages = [0.0, 1, 40, 41, 100, 400, 1500, 3000]
        let events = ages.reversed().map { fixture.event(fixture.acme, secondsAgo: $0 * day, name: "\(Int($0))") }
        _ = try await fixture.writer.store(events, deadline: fixture.deadline)
        let page = try await fixture.page(fixture.acme)
        #expect(fixture.names(page) == ages.map { "\(Int($0))" })
        #expect(page.next == nil)
    }

    @Test(arguments: [1, 2, 3, 7])
    func pagesThroughEverythingOnce(limit: Int) async throws {
        let fixture = try await Fixture.make()
        // Equal times too: the id decides then.
        let events = (0..<20).map { fixture.event(fixture.acme, secondsAgo: Double($0 / 4) * 20 * day, name: "\($0)") }
        _ = try await fixture.writer.store(events, deadline: fixture.deadline)
        var seen: [EventID] = []
        var after: EventPosition?
        repeat {
            let page = try await fixture.page(fixture.acme, after: after, limit: limit)
            #expect(page.events.count <= limit)
            seen += page.events.map(\.id)
            after = page.next
        } while after != nil
        let sorted = events.sorted { ($0.occurredAt, $0.id.description) > ($1.occurredAt, $1.id.description) }
        #expect(seen == sorted.map(\.id))
    }

    /// A search that takes long ends a page early, wherever it is, and goes on there.
    @Test(arguments: [EventOrder.newestFirst, .oldestFirst], [EventFilter(type: "t"), EventFilter(actor: "a"), EventFilter()])
    func losesNothingWhereAPageEndsForItsTime(order: EventOrder, filter: EventFilter) async throws {
        let fixture = try await Fixture.make()
        let days = filter.type == nil ? 170 : 0.2
        let events = (0..<24).map {
            fixture.event(fixture.acme, secondsAgo: Double($0 / 3) * days * day, name: "\($0)", type: "t", actor: "a")
        }
        _ = try await fixture.writer.store(events, deadline: fixture.deadline)
        var filter = filter
        filter.order = order
        filter.from = events.map(\.occurredAt).min()
        var seen: [EventID] = []
        var after: EventPosition?
        var pages = 0
        repeat {
            let page = try await fixture.page(fixture.acme, filter, after: after, limit: 2, enough: .now)
            #expect(page.events.count <= 2)
            seen += page.events.map(\.id)
            after = page.next
            pages += 1
        } while after != nil && pages < 1_000
        let sorted = events.sorted { ($0.occurredAt, $0.id.description) > ($1.occurredAt, $1.id.description) }.map(\.id)
        #expect(seen == (order == .newestFirst ? sorted : sorted.reversed()))
        #expect(pages > 12, "some ended for their time")
    }

    /// Over at most a stated number of the newest rows, and it says so.
    @Test func countsNoMoreThanItSays() async throws {
        let fixture = try await Fixture.make()
        // Ahead of the clock: the month after this one is there at all times.
        try await fixture.migrated.psql(
            """
            INSERT INTO events (tenant_id, occurred_at, id, received_at, source_id, version_no, type, fields, extra)
            SELECT \(fixture.acme.id.rawValue), now() + n * interval '1 millisecond', gen_random_uuid(), now(), 1, 0,
                   CASE WHEN n <= 10 THEN 'old' ELSE 'new' END, '{}', '{}'
            FROM generate_series(1, \(EventCounts.maximumRows + 10)) n
            """
        )
        let count = { (type: String?) in
            try await fixture.reader.counts(
                of: fixture.acme.id,
                retentionDays: 3650,
                filter: EventFilter(type: type),
                bucket: .month,
                value: .type,
                now: fixture.now,
                deadline: .now + .seconds(300)
            )
        }
        let all = try await count(nil)
        #expect(all.rows == EventCounts.maximumRows && !all.isComplete)
        #expect(all.top(5).map(\.value) == ["new"], "the newest are counted")
        let old = try await count("old")
        #expect(old.rows == 10 && old.isComplete)
    }

    @Test func endsAPageThatHoldsManyBytes() async throws {
        let fixture = try await Fixture.make()
        let events = (0..<30).map {
            fixture.event(fixture.acme, secondsAgo: Double($0), name: String(repeating: "x", count: 500_000) + "\($0)")
        }
        for event in events { _ = try await fixture.writer.store([event], deadline: fixture.deadline) }
        let first = try await fixture.page(fixture.acme, limit: 1000)
        #expect((17...18).contains(first.events.count))
        let second = try await fixture.page(fixture.acme, after: first.next, limit: 1000)
        #expect((first.events + second.events).map(\.id) == events.map(\.id))
        #expect(second.next == nil)
    }

    @Test func keepsItsPlaceWhileNewEventsArrive() async throws {
        let fixture = try await Fixture.make()
        _ = try await fixture.writer.store(
            (1...4).map { fixture.event(fixture.acme, secondsAgo: Double($0), name: "\($0)") },
            deadline: fixture.deadline
        )
        let first = try await fixture.page(fixture.acme, limit: 2)
        _ = try await fixture.writer.store([fixture.event(fixture.acme, name: "new")], deadline: fixture.deadline)
        let second = try await fixture.page(fixture.acme, after: first.next, limit: 2)
        #expect(fixture.names(first) + fixture.names(second) == ["1", "2", "3", "4"])
        #expect(second.next == nil)
    }

    @Test func filtersByEachColumn() async throws {
        let fixture = try await Fixture.make()
        let source = try await fixture.administration.createSource(tenant: "acme", slug: "other", profile: .generic, schemaName: nil)
        let events = [
            fixture.event(fixture.acme, secondsAgo: 1, name: "a", type: "t1", actor: "john", machine: "m1"),
            fixture.event(fixture.acme, secondsAgo: 2, name: "b", type: "t2", actor: "john", machine: "m2"),
            fixture.event(fixture.acme, secondsAgo: 3, name: "c", type: "t2", actor: "zoë", machine: "m1", source: source.id.rawValue),
            fixture.event(fixture.acme, secondsAgo: 4, name: "d"),
        ]
        _ = try await fixture.writer.store(events, deadline: fixture.deadline)
        let now = fixture.now.microsecondsSince1970
        let expectations: [(EventFilter, [String])] = [
            (EventFilter(actor: "john"), ["a", "b"]), (EventFilter(type: "t2"), ["b", "c"]),
            (EventFilter(machine: "m1"), ["a", "c"]), (EventFilter(type: "t2", actor: "zoë", machine: "m1"), ["c"]),
            (EventFilter(source: "other"), ["c"]), (EventFilter(source: "nope"), []), (EventFilter(actor: "JOHN"), []),
            (EventFilter(from: Timestamp(microsecondsSince1970: now - 2_000_000)), ["a", "b"]),
            (EventFilter(to: Timestamp(microsecondsSince1970: now - 2_000_000)), ["c", "d"]),
            (EventFilter(from: Timestamp(microsecondsSince1970: now), to: Timestamp(microsecondsSince1970: now - 9)), []),
        ]
        for (filter, names) in expectations {
            #expect(fixture.names(try await fixture.page(fixture.acme, filter)) == names, "\(filter)")
        }
    }

    @Test func showsNoOtherTenantsEvents() async throws {
        let fixture = try await Fixture.make()
        let theirs = fixture.event(fixture.globex)
        _ = try await fixture.writer.store([fixture.event(fixture.acme), theirs], deadline: fixture.deadline)
        #expect(try await fixture.page(fixture.acme).events.count == 1)
        let found = try await fixture.reader.event(
            theirs.id,
            of: fixture.acme.id,
            retentionDays: 3650,
            now: fixture.now,
            deadline: fixture.deadline
        )
        #expect(found == nil)
    }

    @Test func findsAnEventByItsIDAlone() async throws {
        let fixture = try await Fixture.make()
        let event = fixture.event(fixture.acme, secondsAgo: 77.1234567 * day, type: "t")
        _ = try await fixture.writer.store([event], deadline: fixture.deadline)
        let find = { (id: EventID, retentionDays: Int) in
            try await fixture.reader.event(
                id,
                of: fixture.acme.id,
                retentionDays: retentionDays,
                now: fixture.now,
                deadline: fixture.deadline
            )
        }
        let found = try await find(event.id, 3650)
        #expect(found?.occurredAt == event.occurredAt)
        #expect(found?.receivedAt == fixture.now)
        #expect(found?.source == "default")
        #expect(found?.type == "t")
        #expect(try await find(event.id, 77) == nil, "older than the retention")
        #expect(try await find(EventID(high: event.id.high, low: event.id.low ^ 1), 3650) == nil)
        #expect(try await find(EventID(high: .max, low: .max), 3650) == nil, "a time that cannot be")
    }

    @Test func hidesWhatIsOlderThanTheRetention() async throws {
        let fixture = try await Fixture.make()
        let events = [1.0, 29, 31].map { fixture.event(fixture.acme, secondsAgo: $0 * day, name: "\(Int($0))") }
        _ = try await fixture.writer.store(events, deadline: fixture.deadline)
        #expect(fixture.names(try await fixture.page(fixture.acme, retentionDays: 30)) == ["1", "29"])
        let wide = EventFilter(from: .epoch)
        #expect(fixture.names(try await fixture.page(fixture.acme, wide, retentionDays: 30)) == ["1", "29"])
    }
}

@Suite(.fewAtOnce) struct CursorCodecTests {
    private let codec = CursorCodec(secret: [UInt8](1...32))
    private let tenant = TenantID(rawValue: 7)
    private let filter = EventFilter(type: "t", actor: "a")
    private let position = EventPosition(
        occurredAt: Timestamp(microsecondsSince1970: 1_793_979_045_123_456),
        id: EventID(high: 0x0123_4567_89AB_8DEF, low: 0x8123_4567_89AB_CDEF)
    )

    @Test func readsWhatItWrote() {
        let text = codec.encode(position, tenant: tenant, filter: filter)
        #expect(codec.decode(text, tenant: tenant, filter: filter) == position)
        #expect(text.utf8.allSatisfy { $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "/") })
    }

    @Test func refusesEveryChange() {
        let text = Array(codec.encode(position, tenant: tenant, filter: filter))
        for place in text.indices {
            for other in ["A", "b", "_", "9"] where Character(other) != text[place] {
                var changed = text
                changed[place] = Character(other)
                #expect(codec.decode(String(changed), tenant: tenant, filter: filter) == nil, "changed at \(place)")
            }
        }
        #expect(codec.decode("", tenant: tenant, filter: filter) == nil)
        #expect(codec.decode(String(text) + "A", tenant: tenant, filter: filter) == nil)
        #expect(codec.decode(String(text.dropLast()), tenant: tenant, filter: filter) == nil)
        #expect(codec.decode(String(repeating: "A", count: 100_000), tenant: tenant, filter: filter) == nil)
    }

    @Test func refusesAnotherTenantFilterOrSecret() {
        let text = codec.encode(position, tenant: tenant, filter: filter)
        #expect(codec.decode(text, tenant: TenantID(rawValue: 8), filter: filter) == nil)
        #expect(codec.decode(text, tenant: tenant, filter: EventFilter()) == nil)
        #expect(codec.decode(text, tenant: tenant, filter: EventFilter(type: "ta", actor: "")) == nil)
        #expect(codec.decode(text, tenant: tenant, filter: EventFilter(type: "t", machine: "a")) == nil)
        #expect(CursorCodec(secret: [UInt8](2...33)).decode(text, tenant: tenant, filter: filter) == nil)
    }

    /// Pages of events as they were received end at a number of bytes, too, and meet without a gap where many were received at one time.
    @Test func walksByTheTimeReceivedInPagesOfLimitedSize() async throws {
        let fixture = try await Fixture.make()
        try await fixture.migrated.psql(
            """
            INSERT INTO events (tenant_id, occurred_at, id, received_at, source_id, version_no, type, fields, extra)
                SELECT \(fixture.acme.id), now(), gen_random_uuid(), date_trunc('minute', now()) + make_interval(secs => n / 4), 1, 0, 't', '{}',
                       jsonb_build_object('x', repeat('x', 1000000)) FROM generate_series(1, 20) n
            """
        )
        var ids: [EventID] = []
        var sizes: [Int] = []
        var after: ReceivedPosition?
        repeat {
            let page = try await EventReader(fixture.database).received(
                of: fixture.acme.id,
                retentionDays: 3650,
                filter: EventFilter(),
                since: fixture.now.adding(days: -1),
                after: after,
                limit: 100,
                now: fixture.now,
                deadline: fixture.deadline
            )
            ids += page.events.map(\.id)
            sizes.append(page.events.count)
            after = page.next
        } while after != nil
        #expect(ids.count == 20 && Set(ids).count == 20)
        #expect(sizes.count == 3 && sizes.allSatisfy { $0 <= 9 }, "\(sizes)")
    }
}
