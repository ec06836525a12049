import Testing

@testable import EventCore

/// Rows of every version in the newest shape.
@Suite struct SchemaHistoryTests {
    private static func history(_ versions: String...) throws -> SchemaHistory {
        let documents = try versions.enumerated().map { place, fields in
            let lines = fields.split(separator: ";").map { "  \($0)\n" }.joined()
            return SchemaHistory.Version(
                number: Int32(place + 1),
                document: try SchemaDocument(yaml: "schema: s\nfields:\n\(lines.isEmpty ? "  {}\n" : lines)")
            )
        }
        return try #require(SchemaHistory(documents))
    }

    private func shaped(_ history: SchemaHistory, _ fields: String, _ extra: String = "{}", version: Int32 = 1) -> [String] {
        let row = history.shaped(fields: Array(fields.utf8), extra: Array(extra.utf8), readWith: version)
        return [row.fields, row.extra].map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func followsRenamesThroughVersions() throws {
        let history = try Self.history(
            "a: { from: /a, type: string }",
            "b: { from: /a, type: string, renamed_from: a }",
            "c: { from: /a, type: string, renamed_from: b }"
        )
        #expect(shaped(history, #"{"a":"x"}"#) == [#"{"c":"x"}"#, "{}"])
        #expect(shaped(history, #"{"b":"x"}"#, version: 2) == [#"{"c":"x"}"#, "{}"])
        #expect(shaped(history, #"{"c":"x"}"#, version: 3) == [#"{"c":"x"}"#, "{}"])
    }

    @Test(
        arguments: [
            ("string", "integer", #""42""#, "42"), ("string", "integer", #""4x""#, nil),
            ("string", "integer", #""9223372036854775808""#, nil),
            ("string", "integer", #"" 4""#, nil), ("string", "number", #""1.50""#, "1.5"), ("string", "boolean", #""true""#, "true"),
            ("string", "boolean", #""yes""#, nil), ("string", "timestamp", #""2026-11-06T18:04:31+01:00""#, #""2026-11-06T17:04:31Z""#),
            ("string", "ip", #""::1""#, #""::1""#), ("string", "uuid", #""x""#, nil), ("string", "string[]", #""a""#, #"["a"]"#),
            ("integer", "number", "5", "5"), ("integer", "string", "5", #""5""#), ("number", "integer", "5.0", "5"),
            ("number", "integer", "5.5", nil),
            ("boolean", "string", "true", #""true""#), ("timestamp", "string", #""2026-11-06T17:04:31Z""#, #""2026-11-06T17:04:31Z""#),
            ("string[]", "string", #"["a"]"#, nil), ("boolean", "integer", "true", nil),
        ] as [(String, String, String, String?)]
    )
    func castsAndKeepsWhatItCannotCast(old: String, new: String, stored: String, cast: String?) throws {
        let history = try Self.history("v: { from: /deep/v, type: \"\(old)\" }", "v: { from: /deep/v, type: \"\(new)\" }")
        let extra = cast == nil ? #"{"o":1,"deep":{"v":\#(stored)}}"# : #"{"o":1}"#
        #expect(shaped(history, #"{"v":\#(stored)}"#, #"{"o":1}"#) == [#"{"v":\#(cast ?? "null")}"#, extra])
    }

    @Test func theOriginalInExtraIsNotCovered() throws {
        let history = try Self.history("v: { from: /v, type: timestamp }", "v: { from: /v, type: integer }")
        let row = shaped(history, #"{"v":"2026-11-06T17:04:31Z"}"#, #"{"v":"2026-11-06T18:04:31+01:00"}"#)
        #expect(row == [#"{"v":null}"#, #"{"v":"2026-11-06T18:04:31+01:00"}"#])
    }

    @Test func fillsDefaultsInAndShowsWhatIsGoneInExtra() throws {
        let history = try Self.history(
            "a: { from: /a, type: string };g: { from: /x/g, type: integer }",
            "a: { from: /a, type: string, default: none };c: { value: mac, type: string };n: { from: /n, type: integer }"
        )
        #expect(shaped(history, #"{"g":3}"#) == [#"{"a":"none","c":"mac"}"#, #"{"x":{"g":3}}"#])
        #expect(shaped(history, #"{"a":null}"#) == [#"{"a":"none","c":"mac"}"#, "{}"])
        #expect(shaped(history, #"{"a":"z","g":null}"#) == [#"{"a":"z","c":"mac"}"#, "{}"])
    }

    @Test func aFieldThatCameBackHasItsOldValues() throws {
        let history = try Self.history("a: { from: /a, type: string }", "b: { from: /b, type: string }", "a: { from: /a, type: string }")
        #expect(shaped(history, #"{"a":"x"}"#) == [#"{"a":"x"}"#, "{}"])
    }

    @Test func aNewFieldOfAnOldNameIsNotWhatWasRenamed() throws {
        let history = try Self.history(
            "a: { from: /a, type: string }",
            "b: { from: /a, type: string, renamed_from: a }",
            "b: { from: /a, type: string };a: { from: /other, type: string }"
        )
        #expect(shaped(history, #"{"a":"x"}"#) == [#"{"b":"x"}"#, "{}"])
        #expect(shaped(history, #"{"b":"x"}"#, version: 2) == [#"{"b":"x"}"#, "{}"])
    }

    @Test func aNewFieldOfAnOldNameIsNotWhatWasRenamedAndGivenUp() throws {
        let history = try Self.history(
            "a: { from: /a, type: string }",
            "b: { from: /a, type: string, renamed_from: a }",
            "c: { from: /a, type: string, renamed_from: b }",
            "{}",
            "a: { from: /other, type: string }"
        )
        #expect(shaped(history, #"{"a":"x"}"#) == ["{}", #"{"a":"x"}"#], "what c was first called")
        #expect(shaped(history, #"{"c":"x"}"#, version: 3) == ["{}", #"{"a":"x"}"#])
        #expect(shaped(history, #"{"a":"y"}"#, version: 5) == [#"{"a":"y"}"#, "{}"])
    }

    @Test func rowsOfTheSameShapeStayAsTheyAre() throws {
        let history = try Self.history(
            "a: { from: /a, type: string, required: true }",
            "a: { from: /a, type: string };b: { from: /b, type: ip }"
        )
        #expect(shaped(history, #"{ "a" : "x" }"#) == [#"{ "a" : "x" }"#, "{}"])
        #expect(shaped(history, #"{"q":1}"#, version: 9) == [#"{"q":1}"#, "{}"], "a version of another schema")
    }

    private func places(_ history: SchemaHistory, _ filter: FieldFilter, slot: Int? = 2) throws -> [SchemaHistory.FieldQuery.Place] {
        try history.query(filter, slot: slot).places
    }

    @Test func looksWhereAValueMayBe() throws {
        let history = try Self.history(
            "old: { from: /a, type: string }",
            "a: { from: /a, type: string, renamed_from: old }",
            "a: { from: /a, type: integer, indexed: true }",
            "a: { from: /a, type: integer, indexed: true };b: { from: /b, type: string }"
        )
        let five = FieldFilter(field: "a", comparison: .equals, text: "5.0")
        #expect(try places(history, five) == [.slot(2, "5"), .versions([1, 2])])
        #expect(try places(history, five, slot: nil) == [.stored(versions: [3, 4], name: "a", json: "5"), .versions([1, 2])])
        let least = FieldFilter(field: "a", comparison: .min, text: "5")
        #expect(
            try places(history, least) == [
                .compared(versions: [3, 4], name: "a", isTime: false, isLeast: true, text: "5"), .versions([1, 2]),
            ]
        )
        #expect(
            try places(history, FieldFilter(field: "b", comparison: .equals, text: "x")) == [
                .stored(versions: [4], name: "b", json: #""x""#)
            ]
        )
    }

    @Test(
        arguments: [
            (FieldFilter(field: "z", comparison: .equals, text: "1"), .noSuchField),
            (FieldFilter(field: "a", comparison: .equals, text: "x"), .notOfType("integer")),
            (FieldFilter(field: "s", comparison: .min, text: "x"), .noOrder("string")),
            (FieldFilter(field: "t", comparison: .max, text: "1"), .notOfType("timestamp")),
        ] as [(FieldFilter, SchemaHistory.FilterFault)]
    )
    func refusesAFilterThatMeansNothing(filter: FieldFilter, fault: SchemaHistory.FilterFault) throws {
        let history = try Self.history("a: { from: /a, type: integer };s: { from: /s, type: string };t: { from: /t, type: timestamp }")
        #expect(throws: fault) { try history.query(filter, slot: nil) }
    }

    @Test func tellsWhereRowsOfEachVersionHaveAField() throws {
        let history = try Self.history(
            "a: { from: /a, type: string };x: { from: /x, type: string }",
            "b: { from: /a, type: string, renamed_from: a }",
            "b: { from: /a, type: integer };x: { from: /y, type: string, default: d };n: { from: /n, type: ip }"
        )
        #expect(history.numbers == [1, 2, 3])
        let places = history.columns.map { column in
            column.places.map { "\($0.versions) \($0.field ?? "-") \($0.type ?? "-")" }.joined(separator: ", ")
        }
        // Version 2 has no x: what is fixed stands for it.
        #expect(places == ["[3] b integer, [2] b string, [1] a string", "[1, 3] x string, [2] - -", "[3] n ip"])
        #expect(history.columns.map(\.fixed) == [nil, #""d""#, nil] && history.columns.map(\.type) == ["integer", "string", "ip"])
    }

    @Test func comparesNumbersAsNumbersAndTimesAsTimes() throws {
        let history = try Self.history("n: { from: /n, type: number };t: { from: /t, type: timestamp };l: { from: /l, type: \"string[]\" }")
        let isFound = { (field: String, comparison: FieldFilter.Comparison, text: String, fields: String) in
            try history.query(FieldFilter(field: field, comparison: comparison, text: text), slot: nil).matches(Array(fields.utf8))
        }
        #expect(
            try isFound("n", .min, "9", #"{"n":10}"#) && !isFound("n", .max, "9", #"{"n":10}"#)
                && isFound("n", .equals, "1e1", #"{"n":10.0}"#)
        )
        #expect(try isFound("t", .min, "2026-11-06T17:00:00Z", #"{"t":"2026-11-06T17:00:00.5Z"}"#))
        #expect(try !isFound("t", .max, "2026-11-06T17:00:00Z", #"{"t":"2026-11-06T17:00:00.5Z"}"#))
        #expect(try isFound("l", .equals, "b", #"{"l":["a","b"]}"#) && !isFound("l", .equals, "c", #"{"l":["a","b"]}"#))
        #expect(try !isFound("n", .min, "0", #"{"n":null}"#) && !isFound("n", .min, "0", "{}"))
    }
}
