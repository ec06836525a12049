import Testing

@testable import EventCore

@Suite struct StoredRecordTests {
    /// What is rebuilt reads as what was sent: with the same schema, to the same row.
    @Test(
        arguments: [
            Fixture.granted,
            #"{"custom_data":{"serial":"A","more":[1,{"x":null}]},"admin":false,"expires":"","timestamp":"2026-11-06T17:04:31+01:00"}"#,
            #"{"custom_data":{"serial":"A"},"admin":true,"expires":null,"timestamp":"2026-11-06T17:04:31Z","a~/b":1}"#,
        ]
    )
    func rebuildsTheRecord(record: String) throws {
        let source = try Fixture.webhook()
        let event = try Fixture.accept(record, source).get()
        let stored = StoredRecord(
            occurredAt: event.occurredAt,
            type: event.type,
            actor: event.actor,
            machine: event.machine,
            fields: event.fields,
            extra: event.extra
        )
        let again = try Fixture.accept(stored.original(readWith: source.schema?.document), source).get()
        #expect(again.fieldsText == event.fieldsText && again.occurredAt == event.occurredAt && again.slots == event.slots)
        #expect((again.type, again.actor, again.machine) == (event.type, event.actor, event.machine))
        #expect(JSONTree(again.extra)?.names.sorted() == JSONTree(event.extra)?.names.sorted())
    }

    @Test func rebuildsWhatTheKitLogs() throws {
        let source = try Fixture.source(profile: .fluentBit, schema: SchemaTemplate.privilegesNDJSON.yaml)
        let event = try Fixture.accept(Fixture.line, source).get()
        let stored = StoredRecord(
            occurredAt: event.occurredAt,
            type: event.type,
            actor: event.actor,
            machine: event.machine,
            fields: event.fields,
            extra: event.extra
        )
        let record = try #require(JSONTree(stored.original(readWith: source.schema?.document)))
        #expect(record["state"] == Array(#""admin""#.utf8), "the word that was sent, not what it stands for")
        #expect(record["timestamp"] == Array(#""2026-11-06T15:30:45.123Z""#.utf8))
        #expect(try Fixture.accept(record.text, source).get().fieldsText == event.fieldsText)
    }

    @Test func aRecordWithoutASchemaIsItsExtra() {
        let stored = StoredRecord(
            occurredAt: Fixture.now,
            type: nil,
            actor: nil,
            machine: nil,
            fields: Array("{}".utf8),
            extra: Array(#"{"a":1}"#.utf8)
        )
        #expect(stored.original(readWith: nil) == Array(#"{"a":1}"#.utf8))
    }
}
