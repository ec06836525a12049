import EventCore

/// Events as JSON objects, in the one shape that every read gives.
package enum EventJSON {
    package static func append(_ event: StoredEvent, to text: inout [UInt8]) {
        text.append(contentsOf: #"{"id":""#.utf8)
        event.id.append(to: &text)
        text.append(contentsOf: #"","occurred_at":""#.utf8)
        event.occurredAt.appendRFC3339(to: &text)
        text.append(contentsOf: #"","received_at":""#.utf8)
        event.receivedAt.appendRFC3339(to: &text)
        text.append(contentsOf: #"","source":"#.utf8)
        appendString(event.source, to: &text)
        text.append(contentsOf: #","schema":"#.utf8)
        appendString(event.schema, to: &text)
        text.append(contentsOf: #","type":"#.utf8)
        appendString(event.type, to: &text)
        text.append(contentsOf: #","actor":"#.utf8)
        appendString(event.actor, to: &text)
        text.append(contentsOf: #","machine":"#.utf8)
        appendString(event.machine, to: &text)
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
        let isPlain = value.utf8.withContiguousStorageIfAvailable { !$0.contains(where: isEscaped) } ?? false
        if isPlain { text.append(contentsOf: value.utf8) } else { appendEscaped(value.utf8, to: &text) }
        text.append(UInt8(ascii: "\""))
    }

    private static func isEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private static func appendEscaped(_ value: String.UTF8View, to text: inout [UInt8]) {
        for byte in value {
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
    }
}
