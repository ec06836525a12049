import Crypto
package import EventCore

/// Makes and reads the opaque `cursor` of a page: a position, signed together with the tenant and the filter it belongs to.
///
/// A cursor that was changed, or is shown by another tenant or under another filter, does not read.
package struct CursorCodec: Sendable {
    private let key: SymmetricKey

    /// - Parameter secret: shared by all replicas (`sluice.cursor_secret()`).
    package init(secret: [UInt8]) {
        key = SymmetricKey(data: secret)
    }

    /// 41 bytes as base64url: version, microseconds, id, 16 bytes of HMAC-SHA256.
    package func encode(_ position: EventPosition, tenant: TenantID, filter: EventFilter) -> String {
        let body = Self.body(position)
        return Base64URL.encode(body + signature(body, tenant: tenant, filter: filter))
    }

    package func decode(_ text: String, tenant: TenantID, filter: EventFilter) -> EventPosition? {
        guard let bytes = Base64URL.decode(text), bytes.count == 41, bytes[0] == Self.version else { return nil }
        let body = Array(bytes[..<25])
        let expected = signature(body, tenant: tenant, filter: filter)
        guard zip(expected, bytes[25...]).reduce(UInt8(0), { $0 | ($1.0 ^ $1.1) }) == 0 else { return nil }
        return EventPosition(
            occurredAt: Timestamp(microsecondsSince1970: Int64(bitPattern: Self.word(body[1..<9]))),
            id: EventID(high: Self.word(body[9..<17]), low: Self.word(body[17..<25]))
        )
    }

    private static let version: UInt8 = 1

    private static func body(_ position: EventPosition) -> [UInt8] {
        [version] + bytes(UInt64(bitPattern: position.occurredAt.microsecondsSince1970)) + bytes(position.id.high)
            + bytes(position.id.low)
    }

    private func signature(_ body: [UInt8], tenant: TenantID, filter: EventFilter) -> [UInt8] {
        let tenantBytes = withUnsafeBytes(of: tenant.rawValue.bigEndian, Array.init)
        let code = HMAC<SHA256>.authenticationCode(for: body + tenantBytes + filter.fingerprintInput, using: key)
        return Array(Array(code).prefix(16))
    }

    private static func bytes(_ word: UInt64) -> [UInt8] {
        withUnsafeBytes(of: word.bigEndian, Array.init)
    }

    private static func word(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// RFC 4648 section 5, without padding; reads only what it would write itself.
enum Base64URL {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        var buffer: UInt32 = 0
        var bits = 0
        for byte in bytes {
            buffer = (buffer << 8 | UInt32(byte)) & 0xFFFF
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(alphabet[Int(buffer >> UInt32(bits) & 63)])
            }
        }
        if bits > 0 { text.append(alphabet[Int(buffer << UInt32(6 - bits) & 63)]) }
        return String(decoding: text, as: UTF8.self)
    }

    static func decode(_ text: String) -> [UInt8]? {
        guard text.utf8.count <= 256 else { return nil }
        var bytes: [UInt8] = []
        var buffer: UInt32 = 0
        var bits = 0
        for character in text.utf8 {
            guard let value = alphabet.firstIndex(of: character) else { return nil }
            buffer = (buffer << 6 | UInt32(value)) & 0xFFFF
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: buffer >> UInt32(bits)))
            }
        }
        return encode(bytes) == text ? bytes : nil
    }
}
