import Testing

@testable import EventCore

@Suite struct SchemaDocumentTests {
    @Test func readsTheFormatWhole() throws {
        let document = try SchemaDocument(
            yaml: """
                schema: all
                core: { type: /event, occurred_at: { from: /at, unit: milliseconds }, actor: /user, machine: /machine }
                fields:
                  s: { from: /a~1b/c~0d, type: string, required: true, indexed: true, min_length: 1, max_length: 64, empty_as_null: true }
                  n: { from: /n, type: number, min: -0.5, max: 1e3 }
                  e: { from: /e, type: enum, values: [yes, 'no', 1] }
                  b: { from: /b, type: boolean, values: { admin: true, user: false } }
                  i: { from: /i, type: integer, values: { low: 1, high: 10 } }
                  t: { from: /t, type: timestamp, unit: seconds }
                  l: { from: /l, type: "string[]", max_length: 8 }
                unknown: reject
                """
        )
        #expect(document.name == "all")
        #expect(document.core.occurredAt?.unit == .milliseconds)
        #expect(document.fields.map(\.name) == ["s", "n", "e", "b", "i", "t", "l"])
        #expect(document.fields[0].from.first?.segments == [Array("a/b".utf8), Array("c~d".utf8)])
        #expect(document.fields[2].allowed == ["yes", "no", "1"])
        #expect(document.fields[3].translations.map(\.stored).sorted() == ["false", "true"])
        #expect(document.unknown == .reject)
        #expect(
            document.canonicalForm == """
                {"schema":"all","core":{"type":"/event","occurred_at":{"from":"/at","unit":"milliseconds"},"actor":"/user","machine":"/machine"},\
                "fields":{"s":{"from":"/a~1b/c~0d","type":"string","required":true,"indexed":true,"empty_as_null":true,"min_length":1,"max_length":64},\
                "n":{"from":"/n","type":"number","min":-0.5,"max":1e3},"e":{"from":"/e","type":"enum","values":["yes","no","1"]},\
                "b":{"from":"/b","type":"boolean","values":{"admin":true,"user":false}},\
                "i":{"from":"/i","type":"integer","values":{"high":10,"low":1}},"t":{"from":"/t","type":"timestamp","unit":"seconds"},\
                "l":{"from":"/l","type":"string[]","max_length":8}},"unknown":"reject"}
                """
        )
        #expect(try SchemaDocument(yaml: document.canonicalForm).canonicalForm == document.canonicalForm)
    }

    @Test func layoutAndCommentsDoNotChangeTheChecksum() throws {
        let short = try SchemaDocument(yaml: "schema: x\nfields: { a: { from: /a, type: string } }")
        let long = try SchemaDocument(
            yaml: "# comment\nunknown: keep\nfields:\n  a:\n    type: 'string'\n    required: false\n    from: /a\nschema: x\ncore: {}\n"
        )
        #expect(short.checksum == long.checksum)
        #expect(short.checksum.count == 32)
        #expect(try short.checksum != SchemaDocument(yaml: "schema: x\nfields: { b: { from: /a, type: string } }").checksum)
    }

    @Test func readsJSON() throws {
        let document = try SchemaDocument(yaml: #"{"schema":"x","fields":{"a":{"from":"\/a","type":"string"}}}"#)
        #expect(document.fields.first?.from.first?.description == "/a")
    }

    @Test(
        arguments: [
            ("", 1, 1, "empty"), ("fields: [", 2, 1, "not YAML"), ("schema: x\nfields: {a: {type: strin}}", 2, 13, "`from"),
            ("schema: x\nfields: {a: {from: /a, type: strin}}", 2, 30, "`strin` is none of"),
            ("schema: x\ncore: {occurred_at: timestamp}\n", 2, 21, "no JSON Pointer"),
            ("schema: x\ncore: {time: /t}", 2, 8, "unknown key `time`"), ("schema: x\nfield: {}", 2, 1, "unknown key `field`"),
            ("core: {}", 1, 1, "`schema: <name>` is missing"),
            ("schema: a b", 1, 9, "a name is"), ("schema: x\nunknown: ignore", 2, 10, "none of keep, drop, reject"),
            ("- a", 1, 1, "must be a mapping"),
            ("schema: x\nschema: y", 1, 1, "written twice"),
            ("schema: x\nfields:\n  a: {from: /a, type: string, max: 3}", 3, 36, "`max` has no meaning"),
            ("schema: x\nfields:\n  a: {from: /a, type: string, required: yes}", 3, 41, "true or false"),
            ("schema: x\nfields:\n  a: {from: /a, type: string, min_length: 3, max_length: 2}", 3, 6, "above"),
            ("schema: x\nfields:\n  a: {from: /a, type: string, max_length: -1}", 3, 43, "whole number"),
            ("schema: x\nfields:\n  a: {from: /a, type: integer, min: 01}", 3, 37, "must be a number"),
            ("schema: x\nfields:\n  a: {from: /a, type: enum}", 3, 6, "lists its `values"),
            ("schema: x\nfields:\n  a: {from: /a, type: enum, values: [b, b]}", 3, 41, "there already"),
            ("schema: x\nfields:\n  a: {from: /a, type: boolean, values: {on: 1}}", 3, 45, "true or false"),
            ("schema: x\nfields:\n  a: {from: /a, type: uuid, values: {on: 1}}", 3, 37, "no meaning"),
            ("schema: x\nfields:\n  from: {from: /a, type: string}", 3, 3, "query's own name"),
            ("schema: x\nfields:\n  9a: {from: /a, type: string}", 3, 3, "a field's name"),
            ("schema: x\nfields:\n  a: {from: /a, type: timestamp, unit: minutes}", 3, 40, "none of seconds"),
            ("schema: x\nfields:\n  a: {from: /a~2, type: string}", 3, 13, "no JSON Pointer"),
            ("schema: x\nfields:\n  a: {from: '', type: string}", 3, 13, "no JSON Pointer"),
            ("schema: x\nfields:\n  a: {from: /a, type: string}\n  b: {from: /a/b, type: string}", 3, 3, "leads into"),
            ("schema: &x y\nfields: {a: *x}", 1, 9, "anchors"), ("schema: x\n---\nschema: y", 2, 1, "another document"),
            ("schema: x\nfields: {? [a] : b}", 2, 12, "plain text"),
            ("schema: \"a\\0b\"", 1, 9, "control characters"), ("schema: x\n\tfields: {}", 2, 1, "not YAML"),
            ("schema: [x]", 1, 9, "must be a text"), ("schema: Acme", 1, 9, "a name is"), ("schema: x-", 1, 9, "a name is"),
            ("schema: x\nfields: [a]", 2, 9, "must be a mapping"), ("schema: x\nid: [/a]", 2, 5, "must be a text"),
            ("schema: x\ncore: {occurred_at: {unit: seconds}}", 2, 21, "`from: <pointer>` is missing"),
            ("schema: x\ncore: {occurred_at: {from: /t, unit: days}}", 2, 38, "none of seconds"),
            ("schema: x\nfields:\n  a: {from: /a}", 3, 6, "`type` is missing"),
            ("schema: x\nfields:\n  a: {from: [], type: string}", 3, 13, "one to 8 pointers"),
            ("schema: x\nfields:\n  a: {from: [/a, b], type: string}", 3, 18, "no JSON Pointer"),
            ("schema: x\nfields:\n  a: {from: [/a, /a], type: string}", 3, 18, "there already"),
            ("schema: x\nfields:\n  a: {from: [/1, /2, /3, /4, /5, /6, /7, /8, /9], type: string}", 3, 13, "one to 8 pointers"),
            ("schema: x\nfields:\n  a: {from: /a, value: b, type: string}", 3, 24, "as a constant"),
            ("schema: x\nfields:\n  a: {value: b, type: integer}", 3, 14, "must be a number"),
            ("schema: x\nfields:\n  a: {value: 1.5, type: integer}", 3, 14, "whole number of 64 bits"),
            ("schema: x\nfields:\n  a: {value: b, type: string, required: true}", 3, 41, "no meaning for a constant"),
            ("schema: x\nfields:\n  a: {from: /a, type: string, required: true, default: b}", 3, 56, "never absent"),
            ("schema: x\nfields:\n  a: {from: /a, type: boolean, default: yes}", 3, 41, "true or false"),
            ("schema: x\nfields:\n  a: {from: /a, type: integer, max: 3, default: 4}", 3, 49, "above `max`"),
            ("schema: x\nfields:\n  a: {from: /a, type: integer, min: 3, default: 2}", 3, 49, "below `min`"),
            ("schema: x\nfields:\n  a: {from: /a, type: string, max_length: 1, default: bc}", 3, 55, "longer than `max_length`"),
            ("schema: x\nfields:\n  a: {from: /a, type: enum, values: [b], default: c}", 3, 51, "none of the field's `values`"),
            ("schema: x\nfields:\n  a: {from: /a, type: timestamp, default: soon}", 3, 43, "RFC 3339"),
            ("schema: x\nfields:\n  a: {from: /a, type: uuid, default: 1}", 3, 38, "must be a UUID"),
            ("schema: x\nfields:\n  a: {from: /a, type: ip, default: x}", 3, 36, "must be an IP address"),
            ("schema: x\nfields:\n  a: {from: /a, type: \"string[]\", default: x}", 3, 44, "must be a list"),
            ("schema: x\nfields:\n  a: {from: /a, type: string, pattern: 'a(b'}", 3, 40, "at its character 2: this parenthesis"),
            ("schema: x\nfields:\n  a: {from: /a, type: string, pattern: '(a)\\1'}", 3, 40, "linear time"),
            ("schema: x\nfields:\n  a: {from: /a, type: string, pattern: 'a+', default: b}", 3, 55, "not of the `pattern`"),
            ("schema: x\nfields:\n  a: {from: /a, type: integer, pattern: 'a+'}", 3, 41, "`pattern` has no meaning"),
            ("schema: x\nfields:\n  a: {from: /a, type: string, renamed_from: a}", 3, 45, "still here"),
            ("schema: x\nfields:\n  a: {from: /a, type: string}\n  b: {from: /b, type: string, renamed_from: a}", 4, 45, "still here"),
            (
                "schema: x\nfields:\n  a: {from: /a, type: string, renamed_from: c}\n  b: {from: /b, type: string, renamed_from: c}", 4, 45,
                "not both"
            ),
            ("schema: x\nfields:\n  a: {from: /a, type: string, renamed_from: 'a b'}", 3, 45, "no field's name"),
            ("schema: x\nfields:\n  a: {from: /a, type: \"string[]\", indexed: true}", 3, 44, "`indexed` has no meaning"),
            ("schema: x\nfields: {a: {from: /a, type: string", 3, 1, "not YAML"),
            ("{\"schema\": \"x\",\n \"fields\": 3}", 2, 12, "must be a mapping"),
        ]
    )
    func saysWhereADocumentIsWrong(yaml: String, line: Int, column: Int, says: String) {
        do {
            _ = try SchemaDocument(yaml: yaml)
            Issue.record("accepted")
        } catch {
            #expect((error.line, error.column) == (line, column), "\(error)")
            #expect(error.message.contains(says), "\(error)")
        }
    }

    @Test func boundsFieldsAndIndexes() {
        let fields = { (count: Int, rule: String) in
            "schema: x\nfields:\n" + (0..<count).map { "  f\($0): { from: /f\($0), type: string\(rule) }" }.joined(separator: "\n")
        }
        #expect(throws: Never.self) { try SchemaDocument(yaml: fields(256, "")) }
        #expect(throws: SchemaError.self) { try SchemaDocument(yaml: fields(257, "")) }
        #expect(throws: Never.self) { try SchemaDocument(yaml: fields(8, ", indexed: true")) }
        #expect(throws: SchemaError.self) { try SchemaDocument(yaml: fields(9, ", indexed: true")) }
    }

    /// A record's largest value would be stored once for each field that reads it.
    @Test func tellsAPlaceThatTooManyFieldsRead() throws {
        let fields = { (count: Int) in
            "schema: x\nfields:\n" + (0..<count).map { "  f\($0): { from: [/v\($0), /shared], type: string }" }.joined(separator: "\n")
        }
        #expect(try SchemaDocument(yaml: fields(8)).crowdedPlace == nil)
        #expect(try SchemaDocument(yaml: fields(9)).crowdedPlace?.description == "/shared")
    }

    @Test func readsPointersConstantsDefaultsPatternsAndRenames() throws {
        let document = try SchemaDocument(
            yaml: """
                schema: x
                id: /id
                fields:
                  a: { from: [/new, /old/a], type: string, pattern: '[a-z]+', renamed_from: b }
                  c: { value: mac, type: string, indexed: true }
                  d: { from: /d, type: integer, default: -0 }
                  t: { from: /t, type: timestamp, default: 2026-11-06T17:04:31+01:00 }
                  l: { from: /l, type: "string[]", default: [x, y] }
                """
        )
        #expect(document.fields[0].from.map(\.description) == ["/new", "/old/a"] && document.fields[0].renamedFrom == "b")
        #expect(document.fields[0].pattern?.source == "[a-z]+")
        #expect(document.fields.map(\.value) == [nil, #""mac""#, nil, nil, nil])
        #expect(document.fields.map(\.standIn) == [nil, nil, "0", #""2026-11-06T16:04:31Z""#, #"["x","y"]"#])
        let canonical = try SchemaDocument(yaml: document.canonicalForm)
        #expect(canonical == document && canonical.checksum == document.checksum)
    }

    @Test func boundsTheDocumentsSize() {
        let comment = "schema: x\n#" + String(repeating: "a", count: 64 * 1_024)
        #expect(throws: SchemaError(line: 1, column: 1, "the document is larger than 64 KiB")) { try SchemaDocument(yaml: comment) }
    }

    /// What is stored is the canonical form: a document that could not be read again would stop its tenant's ingest.
    @Test func refusesWhatItCouldNotReadAgain() throws {
        let many =
            "schema: x\nfields:\n"
            + (0..<250).map { " f\($0): {type: enum, from: /\($0), values: [\((0..<42).map { "a\($0)" }.joined(separator: ","))]}\n" }
            .joined()
        do {
            _ = try SchemaDocument(yaml: many)
            Issue.record("accepted")
        } catch {
            #expect(error.message.contains("when written as JSON"), "\(error)")
        }
    }

    /// Keys that are lists of aliases are read in time that doubles with each line.
    @Test(arguments: ["\u{2028}", "\u{2029}", "\u{85}", "\u{FEFF}", "?", " ", "\r"])
    func noSeparatorHidesAnAnchor(separator: String) {
        let lists = (1...64).map { "  - [\(separator)&a\($0) [\(separator)*a\($0 - 1), \(separator)*a\($0 - 1)]]\n" }.joined()
        let document = "schema: x\nlists:\n  - [\(separator)&a0 [a]]\n\(lists)  - {? [\(separator)*a64] : b}\n"
        do {
            _ = try SchemaDocument(yaml: document)
            Issue.record("accepted")
        } catch {
            #expect(error.message.contains("anchors"), "\(error)")
        }
    }

    @Test func textsMayLookLikeAnchorsInJSON() throws {
        let json = #"{"schema":"x","fields":{"a":{"from":"/a","type":"enum","values":["a &b","[&c"]}}}"#
        #expect(try SchemaDocument(yaml: json).fields.first?.allowed == ["a &b", "[&c"])
        #expect(throws: SchemaError.self) { try SchemaDocument(yaml: "schema: x\nfields: {a: {from: /a, type: string, pattern: *b}}") }
    }

    /// Each key is looked at once for every key around it.
    @Test func nestedKeysEndSoon() {
        let depth = 480
        let items = String(repeating: "0,", count: 31_000)
        let document = String(repeating: "{?", count: depth) + "[\(items)]" + String(repeating: ": 0}", count: depth)
        let time = ContinuousClock().measure { #expect(throws: SchemaError.self) { try SchemaDocument(yaml: document) } }
        #expect(time < .seconds(5), "\(time)")
    }

    @Test(arguments: ["[", "{a: ", "- ", "? ", "a:\n ", "[[[[{", "'", "|\n", "%"])
    func hostileDocumentsAreErrors(piece: String) {
        #expect(throws: SchemaError.self) { try SchemaDocument(yaml: String(repeating: piece, count: 20_000)) }
    }

    @Test func errorsAreShort() {
        do {
            _ = try SchemaDocument(yaml: "schema: x\nunknown: " + String(repeating: "a", count: 10_000))
            Issue.record("accepted")
        } catch {
            #expect(error.message.count < 500)
        }
    }

    @Test func templatesAreDocumentsOfTheirNames() throws {
        for template in SchemaTemplate.allCases {
            let document = try SchemaDocument(yaml: template.yaml)
            #expect(document.name == template.rawValue)
            #expect(document.fields.map(\.name) == ["serial", "admin", "expires", "reason"])
            #expect(document.fields.map(\.type) == [.string, .boolean, .timestamp, .string])
            #expect(template.yaml.contains("#"))
        }
    }

    @Test func slotsGoToTheFieldsThatWereGivenOne() throws {
        let document = try SchemaDocument(
            yaml:
                "schema: x\nfields: { a: { from: /a, type: string, indexed: true }, b: { from: /b, type: string, indexed: true }, c: { from: /c, type: string } }"
        )
        let schema = CompiledSchema(document, versionNumber: 1, version: "1-0-0", slots: ["a": 8, "b": 9, "c": 1])
        #expect(schema.fields.map(\.slot) == [8, nil, nil])
        #expect(schema.indexedFields.map(\.name) == ["a"])
    }
}
