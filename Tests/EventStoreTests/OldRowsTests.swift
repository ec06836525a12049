import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

/// Rows of old versions, read and filtered as the newest has them.
@Suite struct OldRowsTests {
    /// Applies a version, and stores one record for each of these.
    private func store(_ fields: String, _ records: [String], _ fixture: Fixture, secondsAgo: Double) async throws {
        _ = try await fixture.administration.applySchema(
            tenant: "acme",
            document: SchemaDocument(yaml: "schema: s\nfields:\n" + fields.split(separator: ";").map { "  \($0)\n" }.joined()),
            allowBreaking: true
        )
        try await fixture.store(records, of: fixture.acme, secondsAgo: secondsAgo)
    }

    private func find(_ fixture: Fixture, _ field: String, _ comparison: FieldFilter.Comparison = .equals, _ text: String, limit: Int = 100)
        async throws -> [String]
    {
        let reader = EventReader(fixture.database, freshness: .zero)
        let page = try await reader.page(
            of: fixture.acme.id,
            retentionDays: 3650,
            filter: EventFilter(fields: [FieldFilter(field: field, comparison: comparison, text: text)]),
            after: nil,
            limit: limit,
            now: fixture.now,
            deadline: fixture.deadline
        )
        return page.events.map { String(decoding: $0.fields, as: UTF8.self) }
    }

    @Test func filtersMatchRowsOfEveryVersion() async throws {
        let fixture = try await Fixture.make()
        try await store("building: { from: /b, type: string }", [#"{"b":"7"}"#, #"{"b":"x"}"#], fixture, secondsAgo: 900)
        try await store(
            "site: { from: /b, type: string, renamed_from: building, indexed: true }",
            [#"{"b":"7"}"#],
            fixture,
            secondsAgo: 800
        )
        try await store("site: { from: /b, type: integer, indexed: true }", [#"{"b":7}"#, #"{"b":70}"#], fixture, secondsAgo: 700)
        #expect(try await find(fixture, "site", .equals, "7").count == 3)
        #expect(try await find(fixture, "site", .min, "8").count == 1)
        #expect(try await find(fixture, "site", .max, "7.5").count == 3)
        #expect(try await find(fixture, "site", .equals, "71").isEmpty)
        await #expect(throws: StoreError.self) { try await find(fixture, "building", .equals, "7") }
        // The value that could not be cast is null, and the original is in extra.
        let reader = EventReader(fixture.database, freshness: .zero)
        let all = try await reader.page(
            of: fixture.acme.id,
            retentionDays: 3650,
            filter: EventFilter(),
            after: nil,
            limit: 9,
            now: fixture.now,
            deadline: fixture.deadline
        )
        let oddOne = all.events.first { String(decoding: $0.extra, as: UTF8.self).contains("x") }
        #expect(oddOne.map { String(decoding: $0.fields, as: UTF8.self) } == #"{"site":null}"#)
        #expect(oddOne.map { String(decoding: $0.extra, as: UTF8.self) } == #"{"b":"x"}"#)
        let one = try await reader.event(
            try #require(oddOne).id,
            of: fixture.acme.id,
            retentionDays: 3650,
            now: fixture.now,
            deadline: fixture.deadline
        )
        #expect(one.map { String(decoding: $0.fields, as: UTF8.self) } == #"{"site":null}"#)
    }

    @Test func walksPastRowsThatOnlyMightHaveMatched() async throws {
        let fixture = try await Fixture.make()
        let records = (0..<900).map { #"{"n":"\#($0)"}"# }
        try await store("n: { from: /n, type: string }", records, fixture, secondsAgo: 5_000)
        try await store("n: { from: /n, type: integer }", [#"{"n":3}"#], fixture, secondsAgo: 100)
        #expect(try await find(fixture, "n", .equals, "3").count == 2)
        #expect(try await find(fixture, "n", .max, "9", limit: 5).count == 5)
    }

    @Test func findsDefaultsInRowsThatHaveNone() async throws {
        let fixture = try await Fixture.make()
        try await store("a: { from: /a, type: string }", [#"{"a":"x"}"#, "{}"], fixture, secondsAgo: 900)
        try await store("a: { from: /a, type: string, default: none, indexed: true }", ["{}", #"{"a":"y"}"#], fixture, secondsAgo: 800)
        #expect(try await find(fixture, "a", .equals, "none").count == 2)
        #expect(try await find(fixture, "a", .equals, "x").count == 1)
        #expect(try await find(fixture, "a", .equals, "y").count == 1)
    }

    /// An index is asked for two months, then for a year of them, then for all others: no edge between them loses or repeats an event.
    @Test(arguments: [EventOrder.newestFirst, .oldestFirst], [1, 3, 100])
    func pagesThroughManyMonths(order: EventOrder, limit: Int) async throws {
        let fixture = try await Fixture.make()
        let month = Month(of: fixture.now)
        try await store("a: { from: /a, type: string, indexed: true }", [], fixture, secondsAgo: 0)
        let starts = [1, 2, 3, 12, 13, 14, 15, 25, 26, 27, 28, 40].map { month.start(monthsBack: $0) }
        for start in starts {
            // At a month's first instant, and in the second before.
            for at in [start.adding(microseconds: -1_000_000), start] {
                let ago = Double(at.microsecondsSince1970.distance(to: fixture.now.microsecondsSince1970)) / 1_000_000
                try await fixture.store([#"{"a":"v1"}"#], of: fixture.acme, secondsAgo: ago)
            }
        }
        var seen: [Timestamp] = []
        var after: EventPosition?
        repeat {
            let page = try await fixture.reader.page(
                of: fixture.acme.id,
                retentionDays: 3650,
                filter: EventFilter(fields: [FieldFilter(field: "a", comparison: .equals, text: "v1")], order: order),
                after: after,
                limit: limit,
                now: fixture.now,
                deadline: fixture.deadline
            )
            seen += page.events.map(\.occurredAt)
            after = page.next
        } while after != nil
        #expect(seen == (order == .oldestFirst ? seen.sorted() : seen.sorted().reversed()))
        #expect(seen.count == 2 * starts.count && Set(starts).isSubset(of: seen) && Set(seen).count == seen.count)
    }

    @Test func pagesThroughFilteredRows() async throws {
        let fixture = try await Fixture.make()
        try await store("a: { from: /a, type: string }", (0..<30).map { #"{"a":"v\#($0 % 3)","n":\#($0)}"# }, fixture, secondsAgo: 900)
        let reader = EventReader(fixture.database, freshness: .zero)
        var seen: [EventID] = []
        var after: EventPosition?
        repeat {
            let page = try await reader.page(
                of: fixture.acme.id,
                retentionDays: 3650,
                filter: EventFilter(fields: [FieldFilter(field: "a", comparison: .equals, text: "v1")]),
                after: after,
                limit: 3,
                now: fixture.now,
                deadline: fixture.deadline
            )
            seen += page.events.map(\.id)
            after = page.next
        } while after != nil
        #expect(seen.count == 10 && Set(seen).count == 10)
    }
}

/// What backfill does for them.
extension OldRowsTests {
    @Test func backfillPutsOldValuesIntoSlots() async throws {
        let fixture = try await Fixture.make()
        try await store("building: { from: /b, type: string }", [#"{"b":"7"}"#, #"{"b":"x"}"#, "{}"], fixture, secondsAgo: 70 * day)
        try await store("site: { from: /b, type: integer, renamed_from: building, indexed: true }", [#"{"b":7}"#], fixture, secondsAgo: 700)
        let fill = try await fixture.administration.slotFill(tenant: "acme")
        let first = try await fill.run("s", rowsPerSecond: 100_000)
        #expect(first.filled == 1 && first.openUntil != nil)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events WHERE k1 = '7'") == "2")
        #expect(try await find(fixture, "site", .equals, "7").count == 2)
        // Records that were on their way when the version was published can't come any more.
        let later = Timestamp(microsecondsSince1970: fixture.now.microsecondsSince1970 + 2 * SlotFill.longestBody)
        let second = try await fill.run("s", rowsPerSecond: 100_000, now: later)
        #expect(second.filled == 0 && second.openUntil == nil)
        #expect(try await fixture.migrated.psql("SELECT done_at IS NOT NULL FROM slot_fills") == "t")
        #expect(try await find(fixture, "site", .equals, "7").count == 2)
        #expect(try await find(fixture, "site", .equals, "8").isEmpty)
        let schemas = try await EventReader(fixture.database, freshness: .zero).schemas(of: fixture.acme.id)
        #expect(try schemas.query(FieldFilter(field: "site", comparison: .equals, text: "7")).places == [.slot(1, "7")])
        // The next version begins anew.
        try await store("site: { from: /b, type: integer, indexed: true, default: 9 }", [], fixture, secondsAgo: 1)
        #expect(try await find(fixture, "site", .equals, "9").count == 1)
        #expect(try await fill.run("s", rowsPerSecond: 100_000).filled == 1)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM events WHERE k1 = '9'") == "1")
    }

    /// A long body goes on being stored with the version with which it began.
    @Test func backfillLooksAgainAtMonthsThatCouldGetMore() async throws {
        let fixture = try await Fixture.make()
        try await store("a: { from: /a, type: string }", [#"{"a":"x","n":1}"#], fixture, secondsAgo: 70 * day)
        let before = try #require(try await fixture.source(fixture.acme))
        try await store("a: { from: /a, type: string, indexed: true }", [#"{"a":"x","n":2}"#], fixture, secondsAgo: 700)
        let fill = try await fixture.administration.slotFill(tenant: "acme")
        let interrupted = Task {
            try await fill.run("s", rowsPerSecond: 100_000) { _, _ in withUnsafeCurrentTask { $0?.cancel() } }
        }
        await #expect(throws: (any Error).self) { try await interrupted.value }
        try await fixture.store([#"{"a":"x","n":3}"#], of: fixture.acme, secondsAgo: 70 * day + 60, from: before)
        let later = Timestamp(microsecondsSince1970: fixture.now.microsecondsSince1970 + 2 * SlotFill.longestBody)
        #expect(try await fill.run("s", rowsPerSecond: 100_000, now: later).openUntil == nil)
        #expect(try await find(fixture, "a", .equals, "x").count == 3)
    }

    /// A version that changes other fields costs nothing.
    @Test func whatWasFilledInStaysGoodForWhatDidNotChange() async throws {
        let fixture = try await Fixture.make()
        let indexed = "a: { from: /a, type: string, indexed: true }"
        try await store("a: { from: /a, type: string }", [#"{"a":"x"}"#], fixture, secondsAgo: 70 * day)
        try await store(indexed, [#"{"a":"x"}"#], fixture, secondsAgo: 900)
        let fill = try await fixture.administration.slotFill(tenant: "acme")
        let later = Timestamp(microsecondsSince1970: fixture.now.microsecondsSince1970 + 2 * SlotFill.longestBody)
        #expect(try await fill.run("s", rowsPerSecond: 100_000, now: later).filled == 1)
        try await store("\(indexed);b: { from: /b, type: string }", [#"{"a":"x"}"#], fixture, secondsAgo: 800)
        let schemas = try await EventReader(fixture.database, freshness: .zero).schemas(of: fixture.acme.id)
        #expect(try schemas.query(FieldFilter(field: "a", comparison: .equals, text: "x")).places == [.slot(1, "x")])
        #expect(try await find(fixture, "a", .equals, "x").count == 3)
        #expect(try await fill.run("s", rowsPerSecond: 100_000, now: later).filled == 0)
        #expect(try await find(fixture, "a", .equals, "x").count == 3)
        // Another default is another value.
        try await store("a: { from: /a, type: string, indexed: true, default: d }", [], fixture, secondsAgo: 1)
        let changed = try await EventReader(fixture.database, freshness: .zero).schemas(of: fixture.acme.id)
        #expect(try changed.query(FieldFilter(field: "a", comparison: .equals, text: "x")).places != [.slot(1, "x")])
    }

    @Test func maintenanceFillsWhatNobodyHas() async throws {
        let fixture = try await Fixture.make()
        try await store("a: { from: /a, type: string }", [#"{"a":"x"}"#, #"{"a":"y"}"#], fixture, secondsAgo: 70 * day)
        try await store("a: { from: /a, type: string, indexed: true }", [], fixture, secondsAgo: 900)
        let administration = fixture.administration
        #expect(try await administration.fillSlots(rowsPerSecond: 100_000, for: .seconds(60)) == (0, 0), "it may still get more")
        try await fixture.migrated.psql(
            """
            ALTER TABLE schemas DISABLE TRIGGER USER;
            UPDATE schemas SET created_at = now() - interval '2 hours';
            ALTER TABLE schemas ENABLE TRIGGER USER
            """
        )
        #expect(try await administration.fillSlots(rowsPerSecond: 100_000, for: .zero) == (0, 1))
        #expect(try await administration.fillSlots(rowsPerSecond: 100_000, for: .seconds(60)) == (2, 0))
        #expect(try await fixture.migrated.psql("SELECT done_at IS NOT NULL FROM slot_fills") == "t")
        #expect(try await administration.fillSlots(rowsPerSecond: 100_000, for: .seconds(60)) == (0, 0))
    }

    @Test func aPlanNamesWhatIsIndexedAgain() async throws {
        let fixture = try await Fixture.make()
        try await store("a: { from: /a, type: string, indexed: true }", [], fixture, secondsAgo: 3)
        try await store("a: { from: /a, type: string }", [], fixture, secondsAgo: 2)
        let registry = SchemaRegistry(try await fixture.administration.access(tenant: "acme"))
        let again = try SchemaDocument(yaml: "schema: s\nfields:\n  a: { from: /a, type: string, indexed: true }\n")
        #expect(try await registry.plan(again, deadline: fixture.deadline).toFill.map(\.field) == ["a"])
    }

    @Test func backfillHasNothingToDoWhereSlotsAreRight() async throws {
        let fixture = try await Fixture.make()
        try await store("a: { from: /a, type: string, indexed: true }", [#"{"a":"x"}"#], fixture, secondsAgo: 70)
        try await store("a: { from: /a, type: string, indexed: true };b: { from: /b, type: string }", [], fixture, secondsAgo: 7)
        let fill = try await fixture.administration.slotFill(tenant: "acme")
        #expect(try await fill.run("s", rowsPerSecond: 100_000).filled == 0)
        await #expect(throws: StoreError.self) { try await fill.run("nope", rowsPerSecond: 1) }
    }

    /// The plan of a search through many months is kept for all values, also where half of a tenant's rows have one of two and another is
    /// looked for, and where months were empty when they were looked at: then too no row may be looked at that does not match.
    @Test func aKeptPlanSearchesByTheColumnsIndexWhateverTheValue() async throws {
        let fixture = try await Fixture.make()
        let months = try await fixture.fillTwoMonths(values: 2)
        for order in [EventOrder.newestFirst, .oldestFirst] {
            for (place, column) in Fixture.indexedColumns.enumerated() {
                let query = SelectEvents(
                    tenant: fixture.acme.id,
                    filter: EventFilter(actor: column == "actor" ? "v7" : nil, machine: column == "machine" ? "v7" : nil, order: order),
                    window: months,
                    fields: place < AcceptedEvent.slotCount ? [[.slot(place + 1, "v7")]] : [],
                    isWide: true,
                    limit: 101
                ).query
                #expect(query.planning == .kept)
                let plan = try await fixture.explain(query, ["v7", "v7"], in: months, preamble: SetTenantAndKeepPlan.sql)
                let scans = plan.split(separator: "\n").filter { $0.contains("Scan") && $0.contains(" on events_") }
                let conditions = plan.split(separator: "\n").filter { $0.contains("Index Cond") && $0.contains("(\(column) >= ") }
                #expect(
                    scans.count >= 2 && scans.allSatisfy { $0.contains("Index Scan") && $0.contains("_\(column)_occurred_at_idx") },
                    "\(plan)"
                )
                #expect(conditions.count == scans.count && plan.contains("Merge Append"), "\(plan)")
            }
        }
    }

    /// Beyond the far end lies a month of its own, in which nothing is looked for.
    @Test func aKeptPlanReadsNothingBeyondTheMonthsOfItsWindow() async throws {
        let fixture = try await Fixture.make()
        let months = try await fixture.fillTwoMonths(values: 400)
        let between = Month(of: fixture.now).start(monthsBack: 1)
        for (order, window) in [(EventOrder.newestFirst, between..<months.upperBound), (.oldestFirst, months.lowerBound..<between)] {
            let query = SelectEvents(
                tenant: fixture.acme.id,
                filter: EventFilter(actor: "v7", order: order),
                window: window,
                isWide: true,
                limit: 101
            ).query
            let plan = try await fixture.explain(query, ["v7", "v7"], in: window, preamble: SetTenantAndKeepPlan.sql)
            let scans = plan.split(separator: "\n").filter { $0.contains("Index Scan") && $0.contains(" on events_") }
            #expect(scans.count == 1, "\(plan)")
        }
    }

    /// What PostgreSQL takes for a few dozen rows is a third of all: they are not read and sorted for the first hundred.
    @Test func aSearchForACommonValueReadsNoMoreThanItsPage() async throws {
        let fixture = try await Fixture.make()
        let months = try await fixture.fillTwoMonths(values: 3, tenants: 4)
        for order in [EventOrder.newestFirst, .oldestFirst] {
            let query = SelectEvents(tenant: fixture.acme.id, filter: EventFilter(actor: "v0", order: order), window: months, limit: 101)
                .query
            let plan = try await fixture.explain(query, ["v0"], in: months, preamble: SetTenantAndPlanByIndex.sql)
            #expect(!plan.contains("Bitmap Heap Scan on events") && Self.buffers(plan) < 60, "\(plan)")
        }
    }

    private static func buffers(_ plan: String) -> Int {
        let run = plan.prefix(upTo: plan.firstRange(of: "Planning:")?.lowerBound ?? plan.endIndex)
        return run.matches(of: /Buffers: shared hit=([0-9]+)/).compactMap { Int($0.output.1) }.max() ?? .max
    }

    /// With a bound in the middle of a month, the index stops there: it does not read on through the value's other rows.
    @Test func aSearchInAFewMinutesReadsNoMoreThanTheirRows() async throws {
        let fixture = try await Fixture.make()
        let months = try await fixture.fillTwoMonths(values: 3)
        let start = months.lowerBound.adding(days: 20)
        let window = start..<start.adding(microseconds: 600 * 60_000_000)
        for order in [EventOrder.newestFirst, .oldestFirst] {
            let filter = EventFilter(actor: "v0", order: order)
            let query = SelectEvents(tenant: fixture.acme.id, filter: filter, window: window, limit: 101).query
            #expect(query.planning == .byIndex)
            let plan = try await fixture.explain(query, ["v0"], in: window, preamble: SetTenantAndPlanByIndex.sql)
            #expect(Self.buffers(plan) < 30 && plan.contains(" rows=100 "), "\(plan)")
        }
    }
}

extension Fixture {
    static let indexedColumns = (1...AcceptedEvent.slotCount).map { "k\($0)" } + ["actor", "machine"]

    /// The two months before this one, with an event of acme every two minutes, whose indexed columns have one of so many values; other
    /// months are empty, and that is known.
    ///
    /// - Parameter tenants: between acme's events are those of so many others.
    fileprivate func fillTwoMonths(values: Int, tenants: Int = 0) async throws -> Range<Timestamp> {
        let month = Month(of: now)
        let months = month.start(monthsBack: 2)..<month.start(monthsBack: 0)
        try await migrated.psql(
            """
            SET ROLE sluice_owner;
            SELECT make_partition('events', m::date) FROM unnest(ARRAY['\(months.lowerBound.rfc3339())', '\(month.start(monthsBack: 1).rfc3339())']) m;
            RESET ROLE;
            INSERT INTO events (tenant_id, occurred_at, id, received_at, source_id, version_no, fields, extra, \(Self.indexedColumns.joined(separator: ", ")))
            SELECT \(acme.id.rawValue) + (n / \(values)) % \(tenants + 1), '\(months.lowerBound.rfc3339())'::timestamptz + n * interval '2 minutes', gen_random_uuid(), now(), 1, 1, '{}', '{}',
                   \(Self.indexedColumns.map { _ in "'v' || n % \(values)" }.joined(separator: ", "))
            FROM generate_series(0, 40000) n;
            ANALYZE events
            """
        )
        return months
    }

    /// How PostgreSQL answers a query of acme's newest or oldest events in a window, as the API asks it, run once.
    ///
    /// - Parameter values: of `$4` and so on.
    fileprivate func explain(_ query: Query, _ values: [String], in window: Range<Timestamp>, preamble: String) async throws -> String {
        let bound = ["'\(window.lowerBound.rfc3339())'", "'\(window.upperBound.rfc3339())'"] + values.map { "'\($0)'" } + ["101"]
        return try await migrated.psql(
            """
            BEGIN;
            SET LOCAL ROLE sluice_reader;
            \(preamble.replacing("$1", with: "'\(acme.id.rawValue)'"));
            PREPARE q AS \(query.sql);
            EXPLAIN (ANALYZE, BUFFERS) EXECUTE q (\(acme.id.rawValue), \(bound.joined(separator: ", ")));
            COMMIT
            """
        )
    }
}
