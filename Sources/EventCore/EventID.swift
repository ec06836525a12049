/// An event's id: a UUIDv8 (RFC 9562) of 48 bits of `occurred_at` in Unix milliseconds, then fingerprint bits.
///
/// So the id alone finds the event's month and place, and the same event sent again has the same id.
package struct EventID: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    /// The two halves of an id made before, most significant bytes first.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// 48 bits last until the year 10889; an instant before 1970 (never accepted) counts as 1970.
    package init(occurredAt: Timestamp, fingerprint: Fingerprint) {
        let milliseconds = UInt64(max(occurredAt.microsecondsSince1970, 0) / 1_000)
        high = milliseconds << 16 | 0x8000 | fingerprint.words.0 >> 52
        low = 0b10 << 62 | fingerprint.words.1 >> 2
    }

    /// Reads the 36 characters of a UUIDv8, in either case. Nil for any other text: no event can have that id.
    package init?(_ text: String) {
        var digits = 0
        var halves: (UInt64, UInt64) = (0, 0)
        for (place, byte) in text.utf8.enumerated() {
            if place == 8 || place == 13 || place == 18 || place == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard place < 36, let digit = byte.hexValue else { return nil }
            if digits < 16 { halves.0 = halves.0 << 4 | UInt64(digit) } else { halves.1 = halves.1 << 4 | UInt64(digit) }
            digits += 1
        }
        guard digits == 32, halves.0 >> 12 & 0xF == 8, halves.1 >> 62 == 0b10 else { return nil }
        self.init(high: halves.0, low: halves.1)
    }

    /// `occurred_at` in Unix milliseconds, rounded down.
    package var milliseconds: Int64 { Int64(high >> 16) }
}

extension EventID {
    /// Before and behind every other id, in the order of PostgreSQL's `uuid`: whole UUIDs of version 8, which stand for no event.
    package static let least = EventID(high: 0x8000, low: 0x8000_0000_0000_0000)
    package static let greatest = EventID(high: 0xFFFF_FFFF_FFFF_8FFF, low: 0xBFFF_FFFF_FFFF_FFFF)
}

extension EventID: CustomStringConvertible {
    /// Canonical text: 36 characters, lower case.
    package var description: String {
        var text: [UInt8] = []
        append(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends `description`.
    package func append(to text: inout [UInt8]) {
        let start = text.count
        text.append(contentsOf: repeatElement(UInt8(ascii: "-"), count: 36))
        var place = start
        for half in [high, low] {
            for shift in stride(from: 60, through: 0, by: -4) {
                let digit = UInt8(truncatingIfNeeded: half >> UInt64(shift)) & 0xF
                text[place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                place += 1
                switch place - start {
                case 8, 13, 18, 23: place += 1  // a hyphen is there
                default: break
                }
            }
        }
    }
}
