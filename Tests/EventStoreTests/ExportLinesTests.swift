import EventCore
import TestSupport
import Testing

@testable import EventStore

/// What an export is made of.
@Suite(.fewAtOnce) struct ExportLinesTests {
    @Test(arguments: [
        ("", "\"\""), ("plain", "plain"), ("a,b", "\"a,b\""), ("say \"x\"", "\"say \"\"x\"\"\""), ("a\nb", "\"a\nb\""), ("=1", "'=1"),
        ("@x", "'@x"), ("-1", "'-1"), ("+1", "'+1"), ("\tx", "'\tx"), ("\rx", "\"'\rx\""), ("'=1", "''=1"), ("''@", "'''@"), ("'a", "'a"),
        ("'", "'"), ("a=1", "a=1"),
    ])
    func writesACellThatIsNoFormula(text: String, cell: String) {
        var line = CSVLine(guardsFormulas: true)
        line.text(text)
        #expect(String(decoding: line.bytes, as: UTF8.self) == cell)
    }

    @Test func leavesNumbersAndAbsentValuesAsTheyAre() {
        var line = CSVLine(guardsFormulas: true)
        line.text(nil)
        line.verbatim(Array("-1".utf8))
        line.verbatim(Array(#"{"a": 1, "b": "x"}"#.utf8))
        line.end()
        #expect(String(decoding: line.bytes, as: UTF8.self) == ",-1,\"{\"\"a\"\": 1, \"\"b\"\": \"\"x\"\"}\"\r\n")
    }

    @Test func givesAFieldCalledLikeAColumnAnotherName() {
        let lines = EventLines(.csv, fields: ["type", "serial", "extra"])
        #expect(lines.columns.suffix(4) == ["fields.extra", "serial", "fields.type", "extra"])
    }

    @Test func walksOldestFirstAcrossMonthsInPages() async throws {
        let fixture = try await Fixture.make()
        let ages = [0.0, 1, 40, 41, 41, 100, 400, 1500, 3000]
        let events = ages.enumerated().map { fixture.event(fixture.acme, secondsAgo: $0.element * day, name: "\($0.offset)") }
        _ = try await fixture.writer.store(events, deadline: fixture.deadline)
        let expected = events.sorted { ($0.occurredAt, $0.id.description) < ($1.occurredAt, $1.id.description) }.map(\.id)
        for limit in [1, 2, 100] {
            var seen: [EventID] = []
            var after: EventPosition?
            repeat {
                let page = try await fixture.page(fixture.acme, EventFilter(order: .oldestFirst), after: after, limit: limit)
                seen += page.events.map(\.id)
                after = page.next
            } while after != nil
            #expect(seen == expected, "\(limit)")
        }
    }

    @Test func endsMonthsWhereTheNextBegins() {
        let february = Month(of: Timestamp(microsecondsSince1970: 1_739_000_000_000_000))
        #expect(february.start(monthsOn: 0).rfc3339() == "2025-02-01T00:00:00Z")
        #expect(february.start(monthsOn: 1).rfc3339() == "2025-03-01T00:00:00Z")
        #expect(february.start(monthsOn: 11).rfc3339() == "2026-01-01T00:00:00Z")
    }
}
