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
        #expect(document.fields[0].from.segments == [Array("a/b".utf8), Array("c~d".utf8)])
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
        #expect(document.fields.first?.from.description == "/a")
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
            ("schema: [x]", 1, 9, "must be a text"),
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
