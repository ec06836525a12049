import Testing

@testable import EventCore

/// Where a field's value comes from: pointers tried in order, a constant, a default.
@Suite struct FieldSourceTests {
    @Test(
        arguments: [
            (#"{"a":"1","b":"2"}"#, #"{"v":"1"}"#, #"{"b":"2"}"#), (#"{"b":"2"}"#, #"{"v":"2"}"#, "{}"),
            (#"{"c":{"d":"3"}}"#, #"{"v":"3"}"#, "{}"),
            (#"{"a":null,"b":"2"}"#, #"{"v":"2"}"#, #"{"a":null}"#), (#"{"a":"","b":"2"}"#, #"{"v":"2"}"#, #"{"a":""}"#),
            ("{}", "{}", "{}"),
            (#"{"a":null}"#, #"{"v":null}"#, #"{"a":null}"#),
        ]
    )
    func triesPointersInOrder(record: String, fields: String, extra: String) throws {
        let source = try Fixture.source(schema: "schema: x\nfields: { v: { from: [/a, /b, /c/d], type: string, empty_as_null: true } }")
        let event = try Fixture.accept(record, source).get()
        #expect((event.fieldsText, event.extraText) == (fields, extra))
    }

    @Test func namesThePointerThatWasTaken() throws {
        let source = try Fixture.source(schema: "schema: x\nfields: { v: { from: [/a, /b], type: string, required: true } }")
        #expect(Fixture.rejection(#"{"b":1}"#, source)?.pointer == "/b")
        #expect(Fixture.rejection("{}", source)?.pointer == "/a")
    }

    @Test func constantsAreInEveryEvent() throws {
        let source = try Fixture.source(
            schema: "schema: x\nfields: { os: { value: mac, type: string, indexed: true }, n: { from: /n, type: integer } }",
            slots: ["os": 2]
        )
        let event = try Fixture.accept(#"{"n":1}"#, source).get()
        #expect(event.fieldsText == #"{"os":"mac","n":1}"#)
        #expect(event.slots[1] == "mac")
    }

    @Test(arguments: [("{}", "{}"), (#"{"v":null}"#, #"{"v":null}"#), (#"{"v":""}"#, #"{"v":""}"#)])
    func defaultsStandForWhatWasNotSent(record: String, extra: String) throws {
        let source = try Fixture.field("type: integer, empty_as_null: true, default: 5, indexed: true", slots: ["v": 1])
        let event = try Fixture.accept(record, source).get()
        #expect(event.fieldsText == #"{"v":5}"# && event.extraText == extra && event.slots.first == "5")
        #expect(try Fixture.accept(#"{"v":7}"#, source).get().fieldsText == #"{"v":7}"#)
    }

    @Test(arguments: [
        ("1.50", "1.5"), ("-0.0", "0"), ("1e3", "1000"), ("12e-4", "0.0012"), ("0.10e1", "1"), ("-120", "-120"), ("100.25", "100.25"),
    ])
    func equalNumbersHaveOneText(sent: String, text: String) throws {
        #expect(DecimalNumber(sent)?.plainText == text)
        let source = try Fixture.field("type: number, indexed: true", slots: ["v": 1])
        let event = try Fixture.accept("{\"v\":\(sent)}", source).get()
        #expect(event.slots.first == text && event.fieldsText == "{\"v\":\(sent)}", "the field keeps every digit as sent")
    }
}
