import NIOCore

/// Writes JSON into a buffer; what is JSON already goes in as it is.
struct JSONWriter: Sendable {
    private(set) var buffer = ByteBuffer()
    private var needsComma = false

    mutating func object(_ members: (inout JSONWriter) -> Void) {
        enclose("{", "}", members)
    }

    mutating func array(_ elements: (inout JSONWriter) -> Void) {
        enclose("[", "]", elements)
    }

    mutating func member(_ name: String, _ value: String?) {
        key(name)
        if let value { string(value) } else { literal("null") }
    }

    mutating func member(_ name: String, _ value: Int) {
        key(name)
        literal(String(value))
    }

    /// - Parameter json: a whole JSON value.
    mutating func member(_ name: String, json: [UInt8]) {
        key(name)
        buffer.writeBytes(json)
        needsComma = true
    }

    mutating func member(_ name: String, _ value: (inout JSONWriter) -> Void) {
        key(name)
        value(&self)
        needsComma = true
    }

    /// - Parameter json: a whole JSON value.
    mutating func element(json: [UInt8]) {
        element { $0.buffer.writeBytes(json) }
    }

    mutating func element(_ value: String) {
        element { $0.string(value) }
    }

    /// Starts the next element of an array.
    mutating func element(_ value: (inout JSONWriter) -> Void) {
        separate()
        value(&self)
        needsComma = true
    }

    private mutating func enclose(_ open: String, _ close: String, _ inner: (inout JSONWriter) -> Void) {
        buffer.writeString(open)
        needsComma = false
        inner(&self)
        buffer.writeString(close)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { buffer.writeString(",") }
        needsComma = false
    }

    private mutating func key(_ name: String) {
        separate()
        string(name)
        buffer.writeString(":")
    }

    private mutating func literal(_ text: String) {
        buffer.writeString(text)
        needsComma = true
    }

    private mutating func string(_ text: String) {
        buffer.writeInteger(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): buffer.writeString("\\\"")
            case UInt8(ascii: "\\"): buffer.writeString("\\\\")
            case 0..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                buffer.writeString("\\u00")
                buffer.writeInteger(digits[Int(byte >> 4)])
                buffer.writeInteger(digits[Int(byte & 15)])
            default: buffer.writeInteger(byte)
            }
        }
        buffer.writeInteger(UInt8(ascii: "\""))
        needsComma = true
    }
}
