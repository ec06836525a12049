import Foundation
import Logging

/// How a line is written. Whatever the values hold, a record is one line, and nothing in it moves a terminal's cursor.
package enum LogFormat: String, Sendable, CaseIterable {
    /// For people: the time, the level, the message, then `name=value`.
    case text
    /// For programs: a JSON object a line, `time`, `level` and `message` first.
    case json

    /// Appends the line and its end.
    package func write(_ line: LogLine, to bytes: inout [UInt8]) {
        switch self {
        case .text: Self.writeText(line, to: &bytes)
        case .json: Self.writeJSON(line, to: &bytes)
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    private static func writeText(_ line: LogLine, to bytes: inout [UInt8]) {
        writeTime(line.time, to: &bytes)
        bytes.append(UInt8(ascii: " "))
        bytes += line.level.rawValue.utf8
        bytes.append(UInt8(ascii: " "))
        writeEscaped(line.message, to: &bytes)
        for (name, value) in line.fields {
            bytes.append(UInt8(ascii: " "))
            writeEscaped(name, to: &bytes)
            bytes.append(UInt8(ascii: "="))
            switch value {
            case .text(let text) where isBare(text): bytes += text.utf8
            case .text(let text):
                bytes.append(UInt8(ascii: "\""))
                writeEscaped(text, to: &bytes)
                bytes.append(UInt8(ascii: "\""))
            case .number(let number): bytes += String(number).utf8
            case .decimal(let number): bytes += String(number).utf8
            }
        }
    }

    private static func writeJSON(_ line: LogLine, to bytes: inout [UInt8]) {
        bytes += #"{"time":""#.utf8
        writeTime(line.time, to: &bytes)
        bytes += #"","level":""#.utf8
        bytes += line.level.rawValue.utf8
        bytes += #"","message":""#.utf8
        writeEscaped(line.message, to: &bytes)
        bytes.append(UInt8(ascii: "\""))
        for (name, value) in line.fields {
            bytes += #",""#.utf8
            // A name that the line has already would make two members of one name.
            if ["time", "level", "message"].contains(name) { bytes.append(UInt8(ascii: "_")) }
            writeEscaped(name, to: &bytes)
            bytes += #"":"#.utf8
            switch value {
            case .text(let text):
                bytes.append(UInt8(ascii: "\""))
                writeEscaped(text, to: &bytes)
                bytes.append(UInt8(ascii: "\""))
            case .number(let number): bytes += String(number).utf8
            case .decimal(let number): bytes += (number.isFinite ? String(number) : "null").utf8
            }
        }
        bytes.append(UInt8(ascii: "}"))
    }

    /// Needs no quotation marks to be told from what follows.
    private static func isBare(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "@"),
                    UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "+"), UInt8(ascii: "%"):
                    true
                default: false
                }
            }
    }

    /// As in a JSON string. Also escaped: what a terminal obeys (C0, DEL, C1), what ends a line elsewhere (U+2028, U+2029), and what
    /// turns the direction of writing.
    private static func writeEscaped(_ text: String, to bytes: inout [UInt8]) {
        let start = bytes.count
        bytes += text.utf8
        // Nearly all text is plain.
        if bytes[start...].allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) { return }
        bytes.removeSubrange(start...)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": bytes += #"\""#.utf8
            case "\\": bytes += #"\\"#.utf8
            case "\n": bytes += #"\n"#.utf8
            case "\r": bytes += #"\r"#.utf8
            case "\t": bytes += #"\t"#.utf8
            case _ where isDangerous(scalar): writeNumber(scalar, to: &bytes)
            default: bytes += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
            }
        }
    }

    private static func isDangerous(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x61C, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB: true
        default: false
        }
    }

    private static func writeNumber(_ scalar: Unicode.Scalar, to bytes: inout [UInt8]) {
        let digits = String(scalar.value, radix: 16)
        bytes += "\\u".utf8
        bytes += String(repeating: "0", count: max(0, 4 - digits.count)).utf8
        bytes += digits.utf8
    }

    /// RFC 3339, UTC, microseconds.
    private static func writeTime(_ microseconds: Int64, to bytes: inout [UInt8]) {
        var seconds = time_t(microseconds.floorQuotient(1_000_000))
        var parts = tm()
        gmtime_r(&seconds, &parts)
        writeDigits(Int(parts.tm_year) + 1900, 4, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        writeDigits(Int(parts.tm_mon) + 1, 2, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        writeDigits(Int(parts.tm_mday), 2, to: &bytes)
        bytes.append(UInt8(ascii: "T"))
        writeDigits(Int(parts.tm_hour), 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        writeDigits(Int(parts.tm_min), 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        writeDigits(Int(parts.tm_sec), 2, to: &bytes)
        bytes.append(UInt8(ascii: "."))
        writeDigits(Int(microseconds - Int64(seconds) * 1_000_000), 6, to: &bytes)
        bytes.append(UInt8(ascii: "Z"))
    }

    private static func writeDigits(_ number: Int, _ width: Int, to bytes: inout [UInt8]) {
        let digits = String(max(0, number))
        for _ in 0..<max(0, width - digits.utf8.count) { bytes.append(UInt8(ascii: "0")) }
        bytes += digits.utf8
    }
}

extension Int64 {
    /// Rounds towards the past, also before 1970.
    func floorQuotient(_ divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
