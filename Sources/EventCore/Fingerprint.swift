import Crypto

/// The hash that makes a retried event the same event: 32 bytes, SHA-256 over
///
/// - a format byte, 1,
/// - the source's number, four bytes, most significant first,
/// - the record as sent, without white space between its tokens, its top-level members sorted by their keys' bytes,
///   less the members that the sender's profile leaves out.
///
/// Keys, numbers and escapes count as they were sent: a retry repeats them.
package struct Fingerprint: Hashable, Sendable {
    static let format: UInt8 = 1

    /// The 32 bytes as four big-endian words.
    let words: (UInt64, UInt64, UInt64, UInt64)

    package var bytes: [UInt8] {
        [words.0, words.1, words.2, words.3].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
        }
    }

    /// Nil when these are not 32 bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.init(collecting: bytes)
    }

    /// The SHA-256 of `message`.
    package init(hashing message: [UInt8]) {
        self.init(collecting: SHA256.hash(data: message))
    }

    private init(collecting bytes: some Sequence<UInt8>) {
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        for (place, byte) in bytes.enumerated() {
            let byte = UInt64(byte)
            switch place >> 3 {
            case 0: words.0 = words.0 << 8 | byte
            case 1: words.1 = words.1 << 8 | byte
            case 2: words.2 = words.2 << 8 | byte
            default: words.3 = words.3 << 8 | byte
            }
        }
        self.words = words
    }

    package static func == (left: Fingerprint, right: Fingerprint) -> Bool { left.words == right.words }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
    }
}
