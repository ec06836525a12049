import Testing

@testable import EventCore

/// What `extra` keeps: nothing that the sender said is lost, and nothing is stored twice.
@Suite struct UnknownMembersTests {
    private static let nested = """
        schema: x
        core: { actor: /who/name }
        fields:
          s: { from: /a/b/s, type: string }
          t: { from: /a/b/t, type: timestamp }
        unknown: 
        """

    private func extra(_ record: String, unknown: String = "keep") throws -> String {
        try Fixture.accept(record, Fixture.source(schema: Self.nested + " \(unknown)")).get().extraText
    }

    @Test(
        arguments: [
            (#"{"a":{"b":{"s":"x","t":"2026-11-06T17:04:31Z"}}}"#, "{}"), (#"{"a":{"b":{"s":"x","u":1}}}"#, #"{"a":{"b":{"u":1}}}"#),
            (#"{"a":{"z":[],"b":{"s":"x"}},"q":2}"#, #"{"a":{"z":[]},"q":2}"#), (#"{"q":2,"a":{"b":{"s":"x"}},"r":3}"#, #"{"q":2,"r":3}"#),
            (#"{"a":{"b":{}}}"#, #"{"a":{"b":{}}}"#), (#"{"a":{}}"#, #"{"a":{}}"#), (#"{"a":null}"#, #"{"a":null}"#),
            (#"{"a":7}"#, #"{"a":7}"#),
            (#"{"a":[{"b":1}]}"#, #"{"a":[{"b":1}]}"#), (#"{"who":{"name":"n"},"a":{"b":{"s":null}}}"#, "{}"),
            (#"{"s":"top","a":{"s":"mid"}}"#, #"{"s":"top","a":{"s":"mid"}}"#),
            (#"{"\u0061":{"b":{"s":"x","u":1}}}"#, #"{"\u0061":{"b":{"u":1}}}"#), ("{}", "{}"),
        ]
    )
    func keepsWhatNoPointerNamesAtItsPlace(record: String, expected: String) throws {
        #expect(try extra(record) == expected)
    }

    @Test(
        arguments: [
            ("type: timestamp", #""2026-11-06T17:04:31+01:00""#, true), ("type: timestamp", #""2026-11-06T17:04:31.1234567Z""#, true),
            ("type: timestamp", #""2026-11-06T17:04:31.5Z""#, true),
            ("type: timestamp", #""2026-11-06T17:04:31""#, true), ("type: timestamp", #""2026-11-06T17:04:31.500Z""#, false),
            ("type: timestamp", #""2026-11-06T17:04:31Z""#, false),
            ("type: timestamp", #""2026-11-06T17:04:31\u005a""#, false), ("type: timestamp, unit: seconds", "1793979045", true),
            ("type: uuid", #""16DF8241-7E86-5A4F-8C0F-C49FAA3E7B15""#, true),
            ("type: uuid", #""16df8241-7e86-5a4f-8c0f-c49faa3e7b15""#, false), ("type: ip", #""2001:DB8::1""#, true),
            ("type: ip", #""2001:db8::1""#, false), ("type: boolean, values: { admin: true }", #""admin""#, true),
            ("type: string", #""a\/b""#, false), ("type: number", "1.50", false),
            ("type: boolean", "true", false), ("type: enum, values: [a]", #""a""#, false), ("type: \"string[]\"", #"["a"]"#, false),
            ("type: string", "null", false),
            ("type: timestamp, empty_as_null: true", #""""#, false),
        ]
    )
    func keepsAValueThatItsStoredFormDoesNotGiveBack(rules: String, value: String, isKept: Bool) throws {
        let event = try Fixture.accept("{\"v\":\(value)}", Fixture.field(rules)).get()
        #expect(event.extraText == (isKept ? "{\"v\":\(value)}" : "{}"))
    }

    @Test func keepsAnAlteredTimeOfTheEvent() throws {
        let source = try Fixture.source(schema: "schema: x\ncore: { occurred_at: /t }")
        #expect(try Fixture.accept(#"{"t":"2026-11-06 17:04:31"}"#, source).get().extraText == #"{"t":"2026-11-06 17:04:31"}"#)
        #expect(try Fixture.accept(#"{"t":"2026-11-06T17:04:31Z"}"#, source).get().extraText == "{}")
    }

    @Test func oneFaithfulReaderOfAValueIsEnough() throws {
        let source = try Fixture.source(
            schema:
                "schema: x\ncore: { occurred_at: /t, machine: /m }\nfields: { raw: { from: /t, type: string }, m: { from: /m, type: uuid } }"
        )
        let event = try Fixture.accept(#"{"t":"2026-11-06 17:04:31","m":"16DF8241-7E86-5A4F-8C0F-C49FAA3E7B15"}"#, source).get()
        #expect(event.extraText == "{}")
        #expect(event.fieldsText == #"{"raw":"2026-11-06 17:04:31","m":"16df8241-7e86-5a4f-8c0f-c49faa3e7b15"}"#)
    }

    @Test func dropsWhenAskedTo() throws {
        #expect(try extra(#"{"a":{"b":{"s":"x","u":1}},"q":2}"#, unknown: "drop") == "{}")
    }

    @Test(
        arguments: [
            (#"{"q":2}"#, "/q"), (#"{"a":{"b":{"s":"x","u~/":1}}}"#, "/a/b/u~0~1"), (#"{"a":{"x":1}}"#, "/a/x"), (#"{"a":7}"#, "/a"),
            (#"{"a":{"b":{"s":"x","t":"2026-11-06T17:04:31+01:00"}}}"#, nil), (#"{"a":null,"who":{}}"#, nil), ("{}", nil),
        ] as [(String, String?)]
    )
    func rejectsWhatNoPointerNames(record: String, pointer: String?) throws {
        let rejection = Fixture.rejection(record, try Fixture.source(schema: Self.nested + " reject"))
        #expect(rejection?.pointer == pointer)
        #expect(rejection?.code == (pointer == nil ? nil : .unknownField))
    }

    @Test func aPointerInARejectionHoldsNoControlCharacters() throws {
        let source = try Fixture.source(schema: Self.nested + " reject")
        #expect(Fixture.rejection(#"{"a":{"\u001b[31m\n\u009b":1}}"#, source)?.pointer == "/a/\u{FFFD}[31m\u{FFFD}\u{FFFD}")
    }

    @Test func aPointerInARejectionIsShort() throws {
        let rejection = Fixture.rejection(
            "{\"\(String(repeating: "é~", count: 5_000))\":1}",
            try Fixture.source(schema: Self.nested + " reject")
        )
        #expect((rejection?.pointer?.utf8.count ?? 9_999) < 220)
    }
}
