import EventCore

/// Events as JSON objects, in the one shape that every read gives.
package enum EventJSON {
    package static func append(_ event: StoredEvent, to text: inout [UInt8]) {
        text.append(contentsOf: #"{"id":""#.utf8)
        text.append(contentsOf: event.id.description.utf8)
        text.append(contentsOf: #"","occurred_at":""#.utf8)
        text.append(contentsOf: event.occurredAt.rfc3339().utf8)
        text.append(contentsOf: #"","received_at":""#.utf8)
        text.append(contentsOf: event.receivedAt.rfc3339().utf8)
        text.append(contentsOf: #"","source":"#.utf8)
        appendString(event.source, to: &text)
        text.append(contentsOf: #","schema":"#.utf8)
        appendString(event.schema.map { "\($0.name) \($0.version)" }, to: &text)
        for (name, value) in [("type", event.type), ("actor", event.actor), ("machine", event.machine)] {
            text.append(contentsOf: ",\"\(name)\":".utf8)
            appendString(value, to: &text)
        }
        text.append(contentsOf: #","fields":"#.utf8)
        text.append(contentsOf: event.fields)
        text.append(contentsOf: #","extra":"#.utf8)
        text.append(contentsOf: event.extra)
        text.append(UInt8(ascii: "}"))
    }

    package static func object(_ event: StoredEvent) -> [UInt8] {
        var text: [UInt8] = []
        append(event, to: &text)
        return text
    }

    /// A JSON string, or null.
    package static func appendString(_ value: String?, to text: inout [UInt8]) {
        guard let value else { return text.append(contentsOf: "null".utf8) }
        text.append(UInt8(ascii: "\""))
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                text.append(UInt8(ascii: "\\"))
                text.append(byte)
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                text.append(contentsOf: "\\u00\(digits.count < 2 ? "0" : "")\(digits)".utf8)
            default: text.append(byte)
            }
        }
        text.append(UInt8(ascii: "\""))
    }
}
