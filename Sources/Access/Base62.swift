/// The alphabet of keys: digits, capitals, small letters; a double click selects all of it.
enum Base62 {
    static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    static func contains(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
        default: false
        }
    }

    /// The number's six digits, most significant first, padded with zeros: 62⁶ > 2³².
    static func sixDigits(_ number: UInt32) -> [UInt8] {
        var rest = number
        var digits = [UInt8](repeating: 0, count: 6)
        for place in digits.indices.reversed() {
            digits[place] = alphabet[Int(rest % 62)]
            rest /= 62
        }
        return digits
    }

    /// Uniform characters from the system's random source.
    static func random(count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in alphabet[Int.random(in: 0..<62, using: &generator)] }
    }
}

/// CRC-32 as in ISO 3309 and zlib (polynomial 0xEDB88320, reflected).
enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
    }

    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { value, byte in table[Int((value ^ UInt32(byte)) & 0xFF)] ^ (value >> 8) }
    }
}
