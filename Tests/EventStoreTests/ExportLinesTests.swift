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

    /// An export that goes on while a version is published has one shape, and loses nothing.
    @Test func keepsItsShapeWhileTheSchemaChanges() async throws {
        let fixture = try await Fixture.make()
        func apply(_ field: String) async throws {
            let document = try SchemaDocument(yaml: "schema: s\nfields:\n  \(field)")
            _ = try await fixture.administration.applySchema(tenant: "acme", document: document, allowBreaking: true)
        }
        try await apply("old: { from: /v, type: string }")
        for half in [0..<550, 550..<1_100] {
            let records = half.map { #"{"v":"v\#($0)","n":\#($0)}"# }
            try await fixture.store(records, of: fixture.acme, secondsAgo: 5_000 - Double(half.lowerBound))
        }
        let reader = EventReader(fixture.database, freshness: .zero)
        let schemas = try await reader.schemas(of: fixture.acme.id)
        var export = EventExport(
            reader,
            of: fixture.acme.id,
            retentionDays: 3650,
            filter: EventFilter(order: .oldestFirst),
            schemas: schemas,
            lines: EventLines(.csv, fields: schemas.fieldNames)
        )
        var text = try await export.next(deadline: fixture.deadline)?.text() ?? []
        try await apply("new: { from: /v, type: string, renamed_from: old }")
        try await fixture.store([#"{"v":"late"}"#], of: fixture.acme, secondsAgo: 10)
        while let page = try await export.next(deadline: fixture.deadline) { text += page.text() }
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\r\n")
        #expect(lines.count == 1_102 && lines.first?.hasSuffix(",machine,old,extra") == true)
        #expect(lines.dropFirst().prefix(1_100).enumerated().allSatisfy { $0.element.contains(",v\($0.offset),") })
        #expect(lines.last?.contains(#""fields.new"":""late""#) == true, "\(lines.last ?? "")")
    }
}
