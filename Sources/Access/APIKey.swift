import Crypto

/// The public half of an API key: it names the key in lists and logs, and opens nothing.
package struct KeyID: Hashable, Sendable, CustomStringConvertible {
    /// Ten base62 characters.
    package let text: String

    package init?(_ text: String) {
        guard text.utf8.count == 10, text.utf8.allSatisfy(Base62.contains) else { return nil }
        self.text = text
    }

    /// A new one; base62 by construction.
    static func generate() -> KeyID {
        KeyID(base62: String(decoding: Base62.random(count: 10), as: UTF8.self))
    }

    private init(base62: String) {
        self.text = base62
    }

    package var description: String { text }
}

/// An API key as a sender holds it: `slc_<kind>_<id><secret><crc>`, base62, 10 + 30 + 6 characters.
///
/// The last six are a CRC-32 of all before them, so that a typo costs no look-up and scanners can spot a leak.
/// There is no way to print one by accident: `text` is the only thing that holds the secret.
package struct APIKey: Sendable, CustomStringConvertible {
    package let kind: KeyKind
    package let id: KeyID
    private let secret: [UInt8]

    /// A new one from the system's random source: 30 base62 characters are 178 bits.
    package static func generate(_ kind: KeyKind) -> APIKey {
        APIKey(kind: kind, id: .generate(), secret: Base62.random(count: 30))
    }

    private init(kind: KeyKind, id: KeyID, secret: [UInt8]) {
        self.kind = kind
        self.id = id
        self.secret = secret
    }

    /// Nil for anything that is not a whole key with a right checksum.
    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8.prefix(64))
        guard
            let (prefix, kind) = Self.prefixes.first(where: { bytes.starts(with: $0.prefix) }),
            bytes.count == prefix.count + 46
        else { return nil }
        let start = prefix.count
        let body = bytes[start...]
        guard
            body.allSatisfy(Base62.contains),
            bytes[(start + 40)...].elementsEqual(Base62.sixDigits(CRC32.checksum(bytes[..<(start + 40)]))),
            let id = KeyID(String(decoding: body.prefix(10), as: UTF8.self))
        else { return nil }
        self.init(kind: kind, id: id, secret: Array(bytes[(start + 10)..<(start + 40)]))
    }

    /// The key itself; shown once, when it is made.
    package var text: String {
        let rest = Array("slc_\(kind.rawValue)_\(id)".utf8) + secret
        return String(decoding: rest + Base62.sixDigits(CRC32.checksum(rest)), as: UTF8.self)
    }

    /// What is stored of it: SHA-256 of the secret, 32 bytes.
    package var digest: [UInt8] {
        Array(SHA256.hash(data: secret))
    }

    /// Compares in constant time.
    func matches(digest: [UInt8]) -> Bool {
        let own = self.digest
        guard digest.count == own.count else { return false }
        return zip(own, digest).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    package var description: String { "slc_\(kind.rawValue)_\(id)…" }

    private static let prefixes = KeyKind.allCases.map { (prefix: Array("slc_\($0.rawValue)_".utf8), kind: $0) }
}
