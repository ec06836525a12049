extension JSONTape {
    /// Scans the string whose opening quote is at `start`; returns the offset after its closing one.
    mutating func scanString(_ bytes: Span<UInt8>, at start: Int) throws(JSONError) -> Int {
        var at = start + 1
        var isEscaped = false
        while true {
            at = Self.skipPlain(bytes, from: at)
            guard at < bytes.count else { break }
            let byte = bytes[at]
            switch byte {
            case UInt8(ascii: "\""):
                append(JSONToken(.string, start: start, end: at + 1, next: tokens.count + 1, isEscaped: isEscaped))
                return at + 1
            case UInt8(ascii: "\\"):
                isEscaped = true
                at = try scanEscape(bytes, at: at)
            case 0..<0x20:
                throw JSONError(.controlCharacter, at: at)
            case 0x20..<0x80:
                at += 1
            default:
                let length = Self.sequenceLength(bytes, at: at)
                guard length > 0 else { throw JSONError(.invalidUTF8, at: at) }
                at += length
            }
        }
        throw JSONError(.unexpectedEnd, at: at)
    }

    /// Skips bytes of a string that mean themselves, eight at a time: ASCII without quotes, backslashes and control characters.
    private static func skipPlain(_ bytes: Span<UInt8>, from start: Int) -> Int {
        bytes.withUnsafeBytes { bytes in
            var at = start
            while at + 8 <= bytes.count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
                // The high bit of each byte that is 0x80 or more, below 0x20, `"` or a backslash. A borrow only marks bytes after a real one.
                let quotes = word ^ 0x2222_2222_2222_2222
                let slashes = word ^ 0x5C5C_5C5C_5C5C_5C5C
                let ones: UInt64 = 0x0101_0101_0101_0101
                let marks = (word | (word &- ones &* 0x20) | (quotes &- ones) | (slashes &- ones)) & 0x8080_8080_8080_8080
                guard marks == 0 else { return at + marks.trailingZeroBitCount >> 3 }
                at += 8
            }
            return at
        }
    }

    /// Checks the escape whose backslash is at `start`; returns the offset after it.
    private mutating func scanEscape(_ bytes: Span<UInt8>, at start: Int) throws(JSONError) -> Int {
        guard start + 1 < bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
        switch bytes[start + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return start + 2
        case UInt8(ascii: "u"):
            guard let unit = Self.hexUnit(bytes, at: start + 2) else { throw JSONError(.invalidEscape, at: start) }
            switch unit {
            case 0:
                note(JSONError(.nulCharacter, at: start))
            case 0xD800..<0xDC00:
                guard Self.lowSurrogate(bytes, at: start + 6) != nil else { throw JSONError(.loneSurrogate, at: start) }
                return start + 12
            case 0xDC00..<0xE000:
                throw JSONError(.loneSurrogate, at: start)
            default:
                break
            }
            return start + 6
        default:
            throw JSONError(.invalidEscape, at: start)
        }
    }

    /// Length of the UTF-8 sequence at `at` (Unicode 15, table 3-7), 0 when it is none.
    static func sequenceLength(_ bytes: Span<UInt8>, at: Int) -> Int {
        let first = bytes[at]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch first {
        case 0..<0x80: return 1
        case 0xC2...0xDF: length = 2
        case 0xE0:
            length = 3
            second = 0xA0...0xBF
        case 0xED:
            length = 3
            second = 0x80...0x9F
        case 0xE1...0xEF: length = 3
        case 0xF0:
            length = 4
            second = 0x90...0xBF
        case 0xF4:
            length = 4
            second = 0x80...0x8F
        case 0xF1...0xF3: length = 4
        default: return 0
        }
        guard bytes.count - at >= length, second.contains(bytes[at + 1]) else { return 0 }
        for place in 2..<max(length, 2) where bytes[at + place] & 0xC0 != 0x80 { return 0 }
        return length
    }

    /// Four hexadecimal digits at `at`.
    private static func hexUnit(_ bytes: Span<UInt8>, at: Int) -> UInt32? {
        guard at <= bytes.count - 4 else { return nil }
        var unit: UInt32 = 0
        for place in 0..<4 {
            guard let digit = bytes[at + place].hexValue else { return nil }
            unit = unit << 4 | digit
        }
        return unit
    }

    private static func lowSurrogate(_ bytes: Span<UInt8>, at: Int) -> UInt32? {
        guard at <= bytes.count - 6, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u"),
            let unit = hexUnit(bytes, at: at + 2), (0xDC00..<0xE000).contains(unit)
        else { return nil }
        return unit
    }

    /// Appends the decoded contents of a string that was scanned before.
    static func decode(_ token: JSONToken, _ bytes: Span<UInt8>, into text: inout [UInt8]) {
        let contents = token.contents
        guard token.isEscaped else { return text.append(bytes, contents) }
        var at = contents.lowerBound
        while at < contents.upperBound {
            guard bytes[at] == UInt8(ascii: "\\"), at + 1 < contents.upperBound else {
                text.append(bytes[at])
                at += 1
                continue
            }
            let escape = bytes[at + 1]
            at += 2
            switch escape {
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "u"):
                var scalar = hexUnit(bytes, at: at) ?? 0xFFFD
                at += 4
                if (0xD800..<0xDC00).contains(scalar), let low = lowSurrogate(bytes, at: at) {
                    scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
                    at += 6
                }
                text.append(scalar: scalar)
            default: text.append(escape)
            }
        }
    }
}

extension [UInt8] {
    mutating func append(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        bytes.extracting(range).withUnsafeBufferPointer { append(contentsOf: $0) }
    }

    mutating func append(_ text: String) {
        append(contentsOf: text.utf8)
    }

    /// Appends a Unicode scalar as UTF-8; what is none becomes U+FFFD.
    mutating func append(scalar value: UInt32) {
        append(contentsOf: String(Unicode.Scalar(value) ?? "\u{FFFD}").utf8)
    }
}
