import Testing

@testable import EventCore

@Suite struct IdentityTests {
    private func id(_ record: String, _ source: Source) throws -> EventID {
        try Fixture.accept(record, source).get().id
    }

    @Test func anIDCarriesItsTimeAndItsVersion() throws {
        let event = try Fixture.accept(Fixture.granted, Fixture.webhook()).get()
        #expect(event.id.milliseconds == event.occurredAt.microsecondsSince1970 / 1_000)
        let text = event.id.description
        #expect(text.count == 36)
        #expect(Array(text)[14] == "8")
        #expect("89ab".contains(Array(text)[19]))
        #expect(EventID(text) == event.id)
        #expect(EventID(text.uppercased()) == event.id)
    }

    @Test func anIDIsTheSameForever() throws {
        // SHA-256 of 01 00000001 {"a":1,"timestamp":"2026-11-06T17:04:31Z"}: stored rows depend on it.
        let id = try id(#"{"timestamp":"2026-11-06T17:04:31Z","a":1}"#, Fixture.source())
        #expect(id.description == "01a1b1d1-ad18-88ad-814c-2075789f4a23")
    }

    @Test(
        arguments: [
            "", "019a5a3c", "019a5a3c-8b18-8abc-9abc-0123456789a", "019a5a3c-8b18-8abc-9abc-0123456789abc",
            "019a5a3c08b18-8abc-9abc-0123456789ab",
            "019a5a3c-8b18-4abc-9abc-0123456789ab", "019a5a3c-8b18-8abc-cabc-0123456789ab", "019a5a3g-8b18-8abc-9abc-0123456789ab",
            "{19a5a3c-8b18-8abc-9abc-0123456789ab", "019a5a3c-8b18-8abc-9abc-0123456789a-",
        ]
    )
    func refusesWhatIsNoID(text: String) {
        #expect(EventID(text) == nil)
    }

    @Test func halvesMakeTheSameID() throws {
        let id = try #require(EventID("019a5a3c-8b18-8abc-9abc-0123456789ab"))
        #expect(EventID(high: id.high, low: id.low) == id)
        #expect(EventID(high: id.high, low: id.low).description == "019a5a3c-8b18-8abc-9abc-0123456789ab")
        #expect(EventID(high: .max, low: .max).milliseconds == 0xFFFF_FFFF_FFFF)
    }

    @Test func aRetryHasTheSameID() throws {
        let source = try Fixture.webhook()
        let retried = Fixture.granted.replacing("\"delayed\":false", with: "\"delayed\":true")
        #expect(try id(Fixture.granted, source) == id(retried, source))
        #expect(try id(Fixture.granted, source) != id(Fixture.granted.replacing("true", with: "false"), source))
    }

    @Test func onlyTheProfileLeavesMembersOut() throws {
        let retried = Fixture.granted.replacing("\"delayed\":false", with: "\"delayed\":true")
        for profile in [SenderProfile.generic, .fluentBit] {
            let source = try Fixture.source(profile: profile)
            #expect(try id(Fixture.granted, source) != id(retried, source))
        }
        let fluentBit = try Fixture.source(profile: .fluentBit)
        #expect(try id(Fixture.line, fluentBit) == id(Fixture.line.replacing("1793979045.123", with: "1.5"), fluentBit))
        // An escaped spelling is the same member; one further down is another.
        #expect(
            try id(#"{"date":1,"timestamp":"2026-11-06T17:04:31Z"}"#, fluentBit)
                == id(#"{"d\u0061te":2,"timestamp":"2026-11-06T17:04:31Z"}"#, fluentBit)
        )
        #expect(
            try id(#"{"a":{"date":1},"timestamp":"2026-11-06T17:04:31Z"}"#, fluentBit)
                != id(#"{"a":{"date":2},"timestamp":"2026-11-06T17:04:31Z"}"#, fluentBit)
        )
    }

    @Test func whiteSpaceAndTheOrderOfMembersDoNotCount() throws {
        let source = try Fixture.webhook()
        let spaced = Fixture.granted.replacing("\":", with: "\" :\n\t").replacing(",\"", with: " , \"")
        #expect(try id(Fixture.granted, source) == id("  " + spaced + "\r\n", source))
        let moved = #"{"user":"john.doe","# + Fixture.granted.dropFirst().replacing(#","user":"john.doe""#, with: "")
        #expect(try id(Fixture.granted, source) == id(moved, source))
        // White space inside a string does.
        #expect(try id(Fixture.granted, source) != id(Fixture.granted.replacing("Install ", with: "Install  "), source))
    }

    @Test func anotherSourceIsAnotherEvent() throws {
        #expect(try id(Fixture.granted, Fixture.webhook(1)) != id(Fixture.granted, Fixture.webhook(2)))
        #expect(try id(Fixture.granted, Fixture.webhook(-1)) != id(Fixture.granted, Fixture.webhook(1)))
    }

    @Test func aSchemaChangeDoesNotChangeTheID() throws {
        let other = try Fixture.source(schema: "schema: x\ncore: { occurred_at: /timestamp }")
        #expect(try id(Fixture.granted, Fixture.source()) == id(Fixture.granted, other))
    }

    @Test func fingerprintsAreThirtyTwoBytes() throws {
        let fingerprint = Fingerprint(hashing: Array("abc".utf8))
        // FIPS 180-2, appendix B.1.
        #expect(fingerprint.bytes.prefix(4) == [0xBA, 0x78, 0x16, 0xBF])
        #expect(Fingerprint(bytes: fingerprint.bytes) == fingerprint)
        #expect(Fingerprint(bytes: [1]) == nil)
    }
}
