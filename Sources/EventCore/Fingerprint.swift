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
        words = bytes.withUnsafeBytes { Self.words(of: $0) }
    }

    /// The SHA-256 of `message`.
    package init(hashing message: [UInt8]) {
        words = SHA256.hash(data: message).withUnsafeBytes { Self.words(of: $0) }
    }

    private static func words(of bytes: UnsafeRawBufferPointer) -> (UInt64, UInt64, UInt64, UInt64) {
        let word = { (place: Int) in UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: place * 8, as: UInt64.self)) }
        return (word(0), word(1), word(2), word(3))
    }

    package static func == (left: Fingerprint, right: Fingerprint) -> Bool { left.words == right.words }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
    }
}
