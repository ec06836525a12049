import Testing

@testable import EventCore

/// Ids that a sender gives its events itself.
@Suite struct ExplicitIDTests {
    private static let schema = "schema: x\nid: /meta/id\n"

    @Test(
        arguments: [
            (#"{"meta":{"id":"abc"}}"#, "abc"), (#"{"meta":{"id":"\u00e9"}}"#, "é"),
            (#"{"meta":{"id":12345678901234567890}}"#, "12345678901234567890"),
            (#"{"meta":{"id":1.50}}"#, "1.50"), (#"{"meta":{"id":null}}"#, nil), (#"{"meta":{"id":""}}"#, nil), (#"{"meta":{}}"#, nil),
            ("{}", nil),
            (#"{"id":"other"}"#, nil),
        ] as [(String, String?)]
    )
    func theSchemaSaysWhereItIs(record: String, id: String?) throws {
        #expect(try Fixture.accept(record, Fixture.source(schema: Self.schema)).get().explicitID == id)
        #expect(try Fixture.accept(record, Fixture.source()).get().explicitID == nil)
    }

    @Test func isATextOfAtMostFiveHundredAndTwelveBytesOrANumber() throws {
        let source = try Fixture.source(schema: Self.schema)
        let most = String(repeating: "é", count: 256)
        #expect(try Fixture.accept("{\"meta\":{\"id\":\"\(most)\"}}", source).get().explicitID == most)
        #expect(
            Fixture.rejection("{\"meta\":{\"id\":\"\(most)x\"}}", source)
                == Rejection(.tooLong, pointer: "/meta/id", "longer than 512 bytes")
        )
        for other in ["true", "[]", "{}"] {
            let rejection = Fixture.rejection("{\"meta\":{\"id\":\(other)}}", source)
            #expect((rejection?.code, rejection?.pointer) == (.typeMismatch, "/meta/id"))
        }
    }

    @Test func isKeptWithTheEvent() throws {
        let event = try Fixture.accept(#"{"meta":{"id":"abc"}}"#, Fixture.source(schema: Self.schema)).get()
        #expect(event.extraText == #"{"meta":{"id":"abc"}}"#)
        // Named by the schema, so not unknown.
        #expect(Fixture.rejection(#"{"meta":{"id":"abc"}}"#, try Fixture.source(schema: Self.schema + "unknown: reject")) == nil)
    }

    @Test func theDigestTellsOtherContentUnderTheSameID() throws {
        let source = try Fixture.source(profile: .privilegesWebhook, schema: Self.schema)
        let digest = { (record: String) in try Fixture.accept(record, source).get().contentDigest }
        let one = try digest(#"{"meta":{"id":"a"},"n":1}"#)
        #expect(one.bytes.count == 32)
        #expect(try digest(#"{ "n":1, "meta":{"id":"a"}, "delayed":true }"#) == one)
        #expect(try digest(#"{"meta":{"id":"a"},"n":2}"#) != one)
    }

    @Test func theRequestsIDCoversEveryRecordAndWins() throws {
        let body = Array(#"{"meta":{"id":"a"}}{"meta":{"id":[]}} 7 {}"#.utf8)
        let reading = try Reading(body, .any, Fixture.source(schema: Self.schema), requestID: "key")
        #expect(reading.outcomes == ["+", "+", "not_an_object", "+"])
        #expect(reading.events.mapValues(\.explicitID) == [0: "key#0", 1: "key#1", 3: "key#3"])
        let lines = try Reading(Array("{}\n\n{}".utf8), .lines, requestID: "key")
        #expect(lines.events.mapValues(\.explicitID) == [0: "key#0", 1: "key#1"])
    }

    @Test func isPartOfTheSchemasCanonicalForm() throws {
        let document = try SchemaDocument(yaml: Self.schema)
        #expect(document.canonicalForm == #"{"schema":"x","id":"/meta/id","core":{},"fields":{},"unknown":"keep"}"#)
        #expect(try SchemaDocument(yaml: document.canonicalForm) == document)
        #expect(try SchemaDocument(yaml: "schema: x").canonicalForm == #"{"schema":"x","core":{},"fields":{},"unknown":"keep"}"#)
        #expect(throws: SchemaError.self) { try SchemaDocument(yaml: "schema: x\nid: meta") }
        #expect(throws: SchemaError.self) { try SchemaDocument(yaml: Self.schema + "core: { type: /meta }") }
    }

    @Test func mayAlsoBeAField() throws {
        let schema = Self.schema + "fields: { number: { from: /meta/id, type: string, indexed: true } }"
        let event = try Fixture.accept(#"{"meta":{"id":"abc"}}"#, Fixture.source(schema: schema, slots: ["number": 1])).get()
        #expect((event.explicitID, event.fieldsText, event.extraText, event.slots.first) == ("abc", #"{"number":"abc"}"#, "{}", "abc"))
    }
}
