/// Sent as text; also reads varchar, char(n), name, "char" and unknown.
extension String: PostgresValue {
    package static var typeOID: UInt32 { 25 }
    package static var arrayOID: UInt32 { 1009 }

    package static func accepts(oid: UInt32) -> Bool {
        switch oid {
        case 25, 1043, 1042, 19, 18, 705: true
        default: false
        }
    }

    package static func acceptsArray(oid: UInt32) -> Bool {
        switch oid {
        case 1009, 1015, 1014, 1003, 1002: true
        default: false
        }
    }

    package func encode(into bytes: inout [UInt8]) { bytes.append(contentsOf: utf8) }

    package init(decoding bytes: UnsafeRawBufferPointer, oid: UInt32) throws(PostgresError) {
        self = try bytes.text()
    }
}

/// Bytes as they are: `bytea`.
package struct Bytea: PostgresValue, Hashable {
    package var bytes: [UInt8]

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    package init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    package static var typeOID: UInt32 { 17 }
    package static var arrayOID: UInt32 { 1001 }

    package func encode(into bytes: inout [UInt8]) { bytes.append(contentsOf: self.bytes) }

    package init(decoding bytes: UnsafeRawBufferPointer, oid: UInt32) throws(PostgresError) {
        self.bytes = Array(bytes)
    }
}

/// JSON kept as text: `json`. The bytes are UTF-8 and not checked here; the server checks them.
package struct JSONText: PostgresValue, Hashable {
    package var bytes: [UInt8]

    package init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    package init(_ text: String) {
        bytes = Array(text.utf8)
    }

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    package static var typeOID: UInt32 { 114 }
    package static var arrayOID: UInt32 { 199 }

    package func encode(into bytes: inout [UInt8]) { bytes.append(contentsOf: self.bytes) }

    package init(decoding bytes: UnsafeRawBufferPointer, oid: UInt32) throws(PostgresError) {
        self.bytes = Array(bytes)
    }
}

/// Parsed JSON: `jsonb`. The bytes are UTF-8 and not checked here; the server checks them.
package struct JSONB: PostgresValue, Hashable {
    package var bytes: [UInt8]

    package init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    package init(_ text: String) {
        bytes = Array(text.utf8)
    }

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    package static var typeOID: UInt32 { 3802 }
    package static var arrayOID: UInt32 { 3807 }
    /// jsonb_send and jsonb_recv put this version before the text.
    private static let formatVersion: UInt8 = 1

    package func encode(into bytes: inout [UInt8]) {
        bytes.append(Self.formatVersion)
        bytes.append(contentsOf: self.bytes)
    }

    package init(decoding bytes: UnsafeRawBufferPointer, oid: UInt32) throws(PostgresError) {
        guard bytes.first == Self.formatVersion else { throw .decoding("unknown jsonb format") }
        self.bytes = Array(bytes.dropFirst())
    }
}
