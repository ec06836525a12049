import Testing

@testable import EventCore

/// A fixed clock, and sources to read with.
enum Fixture {
    static let now = Timestamp(microsecondsSince1970: 1_794_000_000_000_000)  // 2026-11-06T21:20:00Z
    static let window = AcceptanceWindow(now: now, retentionDays: 90)

    static let granted = """
        {"admin":true,"custom_data":{"serial":"C02X8XXXA1B2"},"delayed":false,"event":"corp.sap.privileges.granted",\
        "expires":"2026-11-06T17:24:31Z","machine":"16DF8241-7E86-5A4F-8C0F-C49FAA3E7B15","reason":"Install Xcode \\/ CLT",\
        "timestamp":"2026-11-06T17:04:31Z","user":"john.doe"}
        """

    static let line = """
        {"date":1793979045.123,"event_type":"privileges_change","username":"john.doe","state":"admin","action":"grant",\
        "timestamp":"2026-11-06T15:30:45.123Z","serial":"C02X8XXXA1B2","hardware_uuid":"12345678-1234-1234-1234-123456789012"}
        """

    static func source(
        _ id: Int32 = 1,
        profile: SenderProfile = .generic,
        schema: String? = nil,
        slots: [String: Int] = [:]
    ) throws -> Source {
        let compiled = try schema.map {
            CompiledSchema(try SchemaDocument(yaml: $0), versionNumber: 7, version: "1-0-0", slots: slots)
        }
        return Source(id: SourceID(rawValue: id), tenant: TenantID(rawValue: 3), slug: "fleet", profile: profile, schema: compiled)
    }

    static func webhook(_ id: Int32 = 1) throws -> Source {
        try source(id, profile: .privilegesWebhook, schema: SchemaTemplate.privilegesWebhook.yaml, slots: ["serial": 2])
    }

    static func accept(_ record: String, _ source: Source) -> Result<AcceptedEvent, Rejection> {
        accept(Array(record.utf8), source)
    }

    static func accept(_ record: [UInt8], _ source: Source) -> Result<AcceptedEvent, Rejection> {
        var mapper = RecordMapper()
        return mapper.accept(record, from: source, receivedAt: now, window: window)
    }

    static func rejection(_ record: String, _ source: Source) -> Rejection? {
        switch accept(record, source) {
        case .success: nil
        case .failure(let rejection): rejection
        }
    }

    /// A schema of one field called `v`, read from `/v`, with these rules.
    static func field(_ rules: String, slots: [String: Int] = [:], unknown: String = "keep") throws -> Source {
        try source(schema: "schema: one\nfields: { v: { from: /v, \(rules) } }\nunknown: \(unknown)", slots: slots)
    }
}

extension AcceptedEvent {
    var fieldsText: String { String(decoding: fields, as: UTF8.self) }
    var extraText: String { String(decoding: extra, as: UTF8.self) }
}

extension JSONTape {
    /// The error of a scan, nil when there is none.
    static func error(_ text: [UInt8]) -> JSONError? {
        var tape = JSONTape()
        do {
            try tape.scan(text)
            return nil
        } catch {
            return error
        }
    }

    static func error(_ text: String) -> JSONError? { error(Array(text.utf8)) }
}
