import Testing

@testable import EventCore

/// Each type of a schema's field: what it takes, how it is stored, what it refuses.
@Suite struct FieldTypeTests {
    @Test(
        arguments: [
            ("type: string", #""a\/\u00e9""#, #""a\/\u00e9""#), ("type: string", #""""#, #""""#),
            ("type: string, max_length: 2", #""é\ud83d\ude00""#, #""é\ud83d\ude00""#),
            ("type: string, min_length: 1", #""a""#, #""a""#), ("type: integer", "-9223372036854775808", "-9223372036854775808"),
            ("type: integer", "0", "0"),
            ("type: integer, min: 1, max: 3", "3", "3"), ("type: number", "1.000000000000000005", "1.000000000000000005"),
            ("type: number", "-0.10", "-0.10"),
            ("type: number", "1E5", "1E5"), ("type: number, max: 1e2", "100.0", "100.0"), ("type: number, min: -1", "-1", "-1"),
            ("type: boolean", "true", "true"),
            ("type: boolean", "false", "false"), ("type: timestamp", #""2026-11-06T17:04:31+01:00""#, #""2026-11-06T16:04:31Z""#),
            ("type: timestamp", #""1900-01-01T00:00:00Z""#, #""1900-01-01T00:00:00Z""#),
            ("type: timestamp, unit: seconds", "1.5", #""1970-01-01T00:00:01.500Z""#),
            ("type: timestamp, unit: milliseconds", "1", #""1970-01-01T00:00:00.001Z""#),
            ("type: uuid", #""16DF8241-7E86-5A4F-8C0F-C49FAA3E7B15""#, #""16df8241-7e86-5a4f-8c0f-c49faa3e7b15""#),
            ("type: ip", #""192.168.0.1""#, #""192.168.0.1""#),
            ("type: ip", #""2001:DB8:0:0:0:0:0:1""#, #""2001:db8::1""#), ("type: ip", #""::ffff:1.2.3.4""#, #""::ffff:1.2.3.4""#),
            ("type: enum, values: [a, b]", #""b""#, #""b""#),
            ("type: enum, values: [a]", #""\u0061""#, #""\u0061""#), ("type: \"string[]\"", #"[ "a", "b\n" ]"#, #"["a","b\n"]"#),
            ("type: \"string[]\"", "[]", "[]"),
            ("type: boolean, values: { admin: true, user: false }", #""user""#, "false"),
            ("type: integer, values: { low: 1 }", #""low""#, "1"),
            ("type: string, values: { a: \"x\\\"y\" }", #""a""#, #""x\"y""#), ("type: enum, values: { '1': low }", #""1""#, #""low""#),
        ]
    )
    func takes(rules: String, value: String, stored: String) throws {
        let event = try Fixture.accept("{\"v\":\(value)}", Fixture.field(rules)).get()
        #expect(event.fieldsText == "{\"v\":\(stored)}")
    }

    @Test(
        arguments: [
            ("type: string", "1", .typeMismatch), ("type: string", "{}", .typeMismatch),
            ("type: string, max_length: 1", #""ab""#, .tooLong),
            ("type: string, min_length: 2", #""é""#, .tooShort), ("type: integer", "1.0", .typeMismatch),
            ("type: integer", "1e3", .typeMismatch),
            ("type: integer", "9223372036854775808", .outOfRange), ("type: integer", #""1""#, .typeMismatch),
            ("type: integer, min: 0", "-1", .outOfRange),
            ("type: integer, max: 3", "4", .outOfRange), ("type: number", "true", .typeMismatch),
            ("type: number, max: 1", "1.0000000000000000000001", .outOfRange),
            ("type: number, min: 0", "-1e-300", .outOfRange), ("type: boolean", "1", .typeMismatch),
            ("type: boolean", #""true""#, .typeMismatch),
            ("type: timestamp", "1793979045", .typeMismatch), ("type: timestamp", #""yesterday""#, .timestampInvalid),
            ("type: timestamp", #""""#, .timestampInvalid),
            ("type: timestamp, unit: seconds", #""2026-11-06T17:04:31Z""#, .typeMismatch),
            ("type: timestamp, unit: seconds", "1e300", .timestampInvalid),
            ("type: uuid", #""16DF8241""#, .typeMismatch), ("type: uuid", #""16DF8241-7E86-5A4F-8C0F-C49FAA3E7B1Z""#, .typeMismatch),
            ("type: ip", #""1.2.3""#, .typeMismatch),
            ("type: ip", #""1.2.3.256""#, .typeMismatch), ("type: ip", #""fe80::1%eth0""#, .typeMismatch),
            ("type: ip", #""10.0.0.0/8""#, .typeMismatch),
            ("type: ip", "1", .typeMismatch), ("type: enum, values: [a, b]", #""c""#, .notInEnum),
            ("type: enum, values: [a, b]", "1", .typeMismatch),
            ("type: \"string[]\"", #""a""#, .typeMismatch), ("type: \"string[]\"", #"["a",1]"#, .typeMismatch),
            ("type: \"string[]\", max_length: 1", #"["a","bc"]"#, .tooLong),
            ("type: boolean, values: { admin: true }", #""root""#, .notInEnum),
            ("type: boolean, values: { admin: true }", "true", .typeMismatch),
            ("type: string, required: true", "null", .missingField),
            ("type: string, required: true, empty_as_null: true", #""""#, .missingField),
        ] as [(String, String, Rejection.Code)]
    )
    func refuses(rules: String, value: String, code: Rejection.Code) throws {
        let rejection = try #require(Fixture.rejection("{\"v\":\(value)}", Fixture.field(rules)))
        #expect(rejection.code == code)
        #expect(rejection.pointer?.hasPrefix("/v") == true)
        #expect(!rejection.isMalformed)
    }

    @Test(arguments: ["string", "integer", "number", "boolean", "timestamp", "uuid", "ip"])
    func tellsWhatWasSentWithoutAValueFromWhatWasNotSent(type: String) throws {
        let source = try Fixture.field("type: \(type), empty_as_null: true")
        for (record, fields) in [("{}", "{}"), (#"{"v":null}"#, #"{"v":null}"#), (#"{"v":""}"#, #"{"v":null}"#)] {
            let event = try Fixture.accept(record, source).get()
            #expect(event.fieldsText == fields)
            #expect(event.extraText == "{}")
        }
        #expect(Fixture.rejection("{}", try Fixture.field("type: \(type), required: true"))?.code == .missingField)
    }

    @Test func namesTheItemOfAList() throws {
        #expect(Fixture.rejection(#"{"v":["a",1]}"#, try Fixture.field("type: \"string[]\""))?.pointer == "/v/1")
    }

    @Test(
        arguments: [
            ("type: string", #""a\/b""#, "a/b"), ("type: integer", "-5", "-5"), ("type: number", "1.50", "1.5"),
            ("type: number", "-1.5E2", "-150"),
            ("type: boolean", "true", "true"),
            ("type: timestamp", #""2026-11-06 17:04:31""#, "2026-11-06T17:04:31Z"),
            ("type: uuid", #""16DF8241-7E86-5A4F-8C0F-C49FAA3E7B15""#, "16df8241-7e86-5a4f-8c0f-c49faa3e7b15"),
            ("type: ip", #""2001:DB8::1""#, "2001:db8::1"), ("type: enum, values: [a]", #""a""#, "a"),
            ("type: boolean, values: { on: true }", #""on""#, "true"),
            ("type: string, values: { a: 'x\"y' }", #""a""#, "x\"y"),
        ]
    )
    func indexedValuesAreInTheirSlotAsText(rules: String, value: String, text: String) throws {
        let event = try Fixture.accept("{\"v\":\(value)}", Fixture.field("\(rules), indexed: true", slots: ["v": 3])).get()
        #expect(event.slots == [nil, nil, text, nil, nil, nil, nil, nil])
    }

    @Test func slotsAreEmptyWithoutValues() throws {
        let source = try Fixture.field("type: string, indexed: true", slots: ["v": 3])
        #expect(try Fixture.accept("{}", source).get().slots.isEmpty)
        #expect(try Fixture.accept(#"{"v":"a"}"#, Fixture.field("type: string, indexed: true")).get().slots.isEmpty)
    }

    @Test func indexedValuesAreAtMostFiveHundredAndTwelveBytes() throws {
        let source = try Fixture.field("type: string, indexed: true", slots: ["v": 1])
        #expect(throws: Never.self) { try Fixture.accept("{\"v\":\"\(String(repeating: "a", count: 512))\"}", source).get() }
        #expect(Fixture.rejection("{\"v\":\"\(String(repeating: "é", count: 257))\"}", source)?.code == .tooLong)
        let number = try Fixture.field("type: number, indexed: true", slots: ["v": 1])
        #expect(Fixture.rejection("{\"v\":\(String(repeating: "9", count: 513))}", number)?.code == .tooLong)
    }
}
