import Testing

@testable import EventCore

@Suite struct RecordMapperTests {
    @Test func mapsTheWebhooksBody() throws {
        let event = try Fixture.accept(Fixture.granted, Fixture.webhook()).get()
        #expect(event.type == "corp.sap.privileges.granted")
        #expect(event.actor == "john.doe")
        #expect(event.machine == "16DF8241-7E86-5A4F-8C0F-C49FAA3E7B15")
        #expect(event.occurredAt.rfc3339() == "2026-11-06T17:04:31Z")
        #expect(event.receivedAt == Fixture.now)
        #expect(event.hasStableTime)
        #expect(event.versionNumber == 7)
        #expect(event.tenant == TenantID(rawValue: 3))
        #expect(
            event.fieldsText == #"{"serial":"C02X8XXXA1B2","admin":true,"expires":"2026-11-06T17:24:31Z","reason":"Install Xcode \/ CLT"}"#
        )
        #expect(event.extraText == #"{"delayed":false}"#)
        #expect(event.slots == [nil, "C02X8XXXA1B2", nil, nil, nil, nil, nil, nil])
    }

    @Test func mapsTheKitsLineToTheSameFields() throws {
        let source = try Fixture.source(profile: .fluentBit, schema: SchemaTemplate.privilegesNDJSON.yaml, slots: ["serial": 2])
        let event = try Fixture.accept(Fixture.line, source).get()
        #expect(event.type == "privileges_change")
        #expect(event.actor == "john.doe")
        #expect(event.machine == "12345678-1234-1234-1234-123456789012")
        #expect(event.fieldsText == #"{"serial":"C02X8XXXA1B2","admin":true}"#)
        #expect(event.extraText == #"{"date":1793979045.123,"state":"admin","action":"grant"}"#)
        #expect(event.occurredAt.rfc3339() == "2026-11-06T15:30:45.123Z")
    }

    @Test func keepsARecordWholeWithoutASchema() throws {
        let event = try Fixture.accept(" { \"a\" : [ 1.50 , \"x y\" ] , \"time\" : \"2026-11-06T17:04:31Z\" }\n", Fixture.source()).get()
        #expect(event.extraText == #"{"a":[1.50,"x y"],"time":"2026-11-06T17:04:31Z"}"#)
        #expect(event.fieldsText == "{}")
        #expect(event.versionNumber == 0)
        #expect((event.type, event.actor, event.machine) == (nil, nil, nil))
        #expect(event.slots.isEmpty)
        #expect(event.occurredAt.rfc3339() == "2026-11-06T17:04:31Z")
        #expect(event.hasStableTime)
    }

    @Test(
        arguments: [
            (#"{"timestamp":"2026-11-06T17:00:00Z","time":"2026-11-06T18:00:00Z"}"#, "2026-11-06T17:00:00Z"),
            (#"{"timestamp":"soon","time":"2026-11-06T18:00:00Z"}"#, "2026-11-06T18:00:00Z"),
            (#"{"timestamp":1793979045,"time":{}}"#, nil), (#"{"a":{"time":"2026-11-06T18:00:00Z"}}"#, nil), ("{}", nil),
        ] as [(String, String?)]
    )
    func withoutASchemaTheTimeIsTheSendersOrOurs(record: String, expected: String?) throws {
        for source in [try Fixture.source(), try Fixture.source(schema: "schema: x\ncore: { type: /type }")] {
            let event = try Fixture.accept(record, source).get()
            #expect(event.occurredAt.rfc3339() == expected ?? Fixture.now.rfc3339())
            #expect(event.hasStableTime == (expected != nil))
        }
    }

    @Test(arguments: [
        ("1969-12-31T23:59:59Z", false), ("2026-08-08T21:19:59Z", false), ("2026-08-08T21:20:00Z", true), ("2026-11-07T21:20:00Z", true),
        ("2026-11-07T21:20:01Z", false),
    ])
    func acceptsOnlyWhatTheWindowHolds(time: String, isAccepted: Bool) throws {
        let record = "{\"timestamp\":\"\(time)\"}"
        for source in [try Fixture.source(), try Fixture.source(schema: "schema: x\ncore: { occurred_at: /timestamp }")] {
            let rejection = Fixture.rejection(record, source)
            #expect(rejection?.code == (isAccepted ? nil : .timestampOutOfRange))
            #expect(isAccepted || rejection?.pointer == "/timestamp")
        }
    }

    @Test(
        arguments: [
            ("{}", .missingField), (#"{"t":null}"#, .missingField), (#"{"t":1}"#, .timestampInvalid),
            (#"{"t":"yesterday"}"#, .timestampInvalid),
            (#"{"t":{}}"#, .timestampInvalid),
        ] as [(String, Rejection.Code)]
    )
    func aNamedTimeMustBeThere(record: String, code: Rejection.Code) throws {
        let source = try Fixture.source(schema: "schema: x\ncore: { occurred_at: /t }")
        #expect(Fixture.rejection(record, source)?.code == code)
        #expect(Fixture.rejection(record, source)?.pointer == "/t")
    }

    @Test func readsUnixTimeWhereTheSchemaSaysSo() throws {
        let source = try Fixture.source(schema: "schema: x\ncore: { occurred_at: { from: /t, unit: seconds } }")
        let event = try Fixture.accept(#"{"t":1793979045.123456789}"#, source).get()
        #expect(event.occurredAt.rfc3339() == "2026-11-06T15:30:45.123456Z")
        #expect(event.extraText == #"{"t":1793979045.123456789}"#)
        #expect(Fixture.rejection(#"{"t":"2026-11-06T15:30:45Z"}"#, source)?.code == .timestampInvalid)
    }

    @Test func coreTextsAreStringsOfAtMostFiveHundredAndTwelveBytes() throws {
        let source = try Fixture.source(schema: "schema: x\ncore: { type: /a, actor: /b, machine: /c }")
        let most = String(repeating: "é", count: 256)
        let event = try Fixture.accept("{\"a\":\"\(most)\",\"b\":null}", source).get()
        #expect((event.type, event.actor, event.machine) == (most, nil, nil))
        #expect(event.extraText == "{}")
        #expect(Fixture.rejection("{\"a\":\"\(most)x\"}", source) == Rejection(.tooLong, pointer: "/a", "longer than 512 bytes"))
        #expect(Fixture.rejection(#"{"c":1}"#, source)?.code == .typeMismatch)
        #expect(Fixture.rejection(#"{"b":["x"]}"#, source)?.pointer == "/b")
    }

    @Test(
        arguments: [
            ("", .emptyBody, false), (" \r\n", .emptyBody, false), ("1", .notAnObject, false), ("[]", .notAnObject, false),
            ("null", .notAnObject, false),
            ("{", .notJSON, true), ("{}{}", .notJSON, true), (#"{"a":1,"a":1}"#, .duplicateKey, true),
            (#"{"a":"\u0000"}"#, .nulCharacter, false),
            (#"{"a":1e200000}"#, .numberOutOfRange, false), (#"{"a":1e1000,}"#, .notJSON, true), ("\u{FEFF}{}", .notJSON, true),
            (#"["\u0000"]"#, .nulCharacter, false),
        ] as [(String, Rejection.Code, Bool)]
    )
    func tellsNotJSONFromNotAnEvent(body: String, code: Rejection.Code, isMalformed: Bool) throws {
        let rejection = Fixture.rejection(body, try Fixture.source())
        #expect(rejection?.code == code)
        #expect(rejection?.isMalformed == isMalformed)
        #expect(rejection?.pointer == nil)
    }

    @Test func refusesDeepNesting() throws {
        let rejection = Fixture.rejection(
            #"{"a":"# + String(repeating: "[", count: 100) + String(repeating: "]", count: 100) + "}",
            try Fixture.source()
        )
        #expect(rejection?.code == .tooDeep)
        #expect(rejection?.isMalformed == true)
    }

    @Test func refusesWhatCannotBeStoredEvenInKeptMembers() throws {
        for text in [#"{"v":"a","x":{"y":["\u0000"]}}"#, #"{"v":"a","\u0000":1}"#, #"{"v":"a","x":1e2000}"#] {
            #expect(Fixture.rejection(text, try Fixture.field("type: string"))?.isMalformed == false)
            #expect(Fixture.rejection(text, try Fixture.field("type: string", unknown: "drop")) != nil)
        }
    }

    @Test func rejectionsNeverEchoWhatWasSent() throws {
        let secret = "hunter2hunter2"
        for rules in [
            "type: integer", "type: uuid", "type: enum, values: [a]", "type: timestamp", "type: string, max_length: 1",
            "type: boolean, values: { a: true }",
        ] {
            let rejection = try #require(Fixture.rejection("{\"v\":\"\(secret)\"}", Fixture.field(rules)))
            #expect(!rejection.detail.contains(secret))
        }
    }

    @Test func oneMapperReadsManyRecords() throws {
        var mapper = RecordMapper()
        let (webhook, plain) = (try Fixture.webhook(), try Fixture.source())
        let expected = try Fixture.accept(Fixture.granted, webhook).get()
        for record in [Fixture.granted, "{", #"{"a":1e2000}"#, Fixture.granted, #"{"custom_data":{"serial":""}}"#, Fixture.granted] {
            _ = mapper.accept(Array(record.utf8), from: plain, receivedAt: Fixture.now, window: Fixture.window)
            let result = mapper.accept(Array(record.utf8), from: webhook, receivedAt: Fixture.now, window: Fixture.window)
            if record == Fixture.granted { #expect(try result.get() == expected) }
        }
    }
}
