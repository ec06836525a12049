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

    /// Where the schema forgets what it does not name, the original of a translated value is not in `extra`.
    @Test(
        arguments: [
            (
                #"{"t":1793984671.25,"on":"yes","at":1793984671250,"c":"beta"}"#,
                #"{"t":1793984671.25,"on":"yes","at":1793984671250,"c":"beta"}"#
            ),
            (#"{"t":1793984671}"#, #"{"t":1793984671}"#), (#"{"t":1,"c":null,"at":0}"#, #"{"t":1,"at":0}"#),
            (#"{"t":0.000001,"c":"stable","n":5.00}"#, #"{"t":0.000001}"#),
        ]
    )
    func rebuildsWhatWasTranslatedAndWhatWasNotSent(record: String, rebuilt: String) throws {
        let source = try Fixture.source(
            schema: """
                schema: s
                core: { occurred_at: { from: /t, unit: seconds } }
                fields:
                  on: { from: /on, type: boolean, values: { yes: true, y: true, no: false } }
                  at: { from: /at, type: timestamp, unit: milliseconds }
                  c:  { from: /c, type: enum, values: [stable, beta], default: stable }
                  n:  { from: /n, type: number, default: 5 }
                unknown: drop
                """
        )
        let now = Timestamp(microsecondsSince1970: 1_793_984_671_000_000)
        var mapper = RecordMapper()
        let event = try mapper.accept(
            Array(record.utf8),
            from: source,
            receivedAt: now,
            window: AcceptanceWindow(now: now, retentionDays: 36_500)
        ).get()
        let stored = StoredRecord(
            occurredAt: event.occurredAt,
            type: nil,
            actor: nil,
            machine: nil,
            fields: event.fields,
            extra: event.extra
        )
        let original = try #require(JSONTree(stored.original(readWith: source.schema?.document)))
        let expected = try #require(JSONTree(Array(rebuilt.utf8)))
        #expect(original.names.sorted() == expected.names.sorted())
        for name in ["t", "on", "at", "c", "n"] { #expect(original[name] == expected[name], "\(name)") }
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
