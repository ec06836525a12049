import TestSupport
import Testing

@testable import EventCore

/// Bodies captured from the real clients.
@Suite struct SampleTests {
    @Test func readsTheWebhooksSamples() throws {
        guard let files = try SharedFiles.folder("samples/privileges-webhook") else { return }
        let source = try Fixture.webhook()
        var ids: [String: EventID] = [:]
        for (name, body) in files {
            switch Fixture.accept(body, source) {
            case .success(let event): ids[name] = event.id
            case .failure(let rejection):
                #expect(name == "no-custom-data.json")
                #expect((rejection.code, rejection.pointer) == (.missingField, "/custom_data/serial"))
            }
        }
        #expect(ids.count == 4)
        #expect(ids["granted.json"] != nil)
        #expect(ids["granted.json"] == ids["granted-retried.json"])
        #expect(ids["granted.json"] != ids["revoked.json"])
    }

    @Test func keepsEveryCustomField() throws {
        guard let files = try SharedFiles.folder("samples/privileges-webhook") else { return }
        let body = try #require(files.first { $0.name == "several-custom-fields.json" }).bytes
        let event = try Fixture.accept(body, Fixture.webhook()).get()
        #expect(
            event.extraText
                == #"{"custom_data":{"asset_tag":"A-000731","building":"Walldorf\/03","department":"Finance & Ops"},"delayed":false}"#
        )
        #expect(event.actor == "zoë.müller")
        #expect(event.fieldsText == #"{"serial":"FVFZK0PXL414","admin":true,"expires":null,"reason":"Drucker einrichten – 2. OG"}"#)
    }

    @Test(arguments: [[Int.max], [1], [100, 7]])
    func everyFormatOfFluentBitGivesTheSameEvents(pieces: [Int]) throws {
        guard let files = try SharedFiles.folder("samples/fluent-bit") else { return }
        let source = try Fixture.source(profile: .fluentBit, schema: SchemaTemplate.privilegesNDJSON.yaml, slots: ["serial": 1])
        let formats = files.filter { $0.name.hasPrefix("json") && $0.name.contains(".plain.") }
        try #require(formats.count == 3)
        var ids: Set<[EventID]> = []
        for (name, request) in formats {
            let blank = try #require(request.indices.first { request[$0...].starts(with: Array("\r\n\r\n".utf8)) })
            let isNDJSON = String(decoding: request[..<blank], as: UTF8.self).contains("application/x-ndjson")
            for framing in isNDJSON ? [RecordReader.Framing.lines, .any] : [.any] {
                let reading = try Reading(Array(request[(blank + 4)...]), framing, source, pieces: pieces)
                #expect(reading.outcomes == ["+", "+", "+"], "\(name)")
                #expect(reading.shape == .batch)
                let events = (0..<3).compactMap { reading.events[$0] }
                #expect(events.map { $0.fieldsText.contains("\"admin\":true") } == [true, false, true])
                #expect(events.last?.machine == "9B1DEB4D-3B7D-4BAD-9BDD-2B0D7B3DCB6D")
                #expect(events.last?.actor == "zoë.müller")
                ids.insert(events.map(\.id))
            }
        }
        #expect(ids.count == 1)
    }
}
