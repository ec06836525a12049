extension Timestamp {
    /// Reads RFC 3339 text, years 0001 to 9999.
    ///
    /// Also taken: a space or `t` for the `T`, a lower-case `z`, no zone at all (then it is UTC). Digits beyond a
    /// microsecond are cut. A leap second, 23:59:60 UTC, is the first second of the next day, as in POSIX time.
    package init?(rfc3339 text: String) {
        var text = text
        guard let value = text.withUTF8({ Timestamp(rfc3339: $0.span) }) else { return nil }
        self = value
    }

    package init?(rfc3339 bytes: some Collection<UInt8>) {
        guard bytes.count <= Self.longestText else { return nil }
        let bytes = Array(bytes)
        self.init(rfc3339: bytes.span)
    }

    /// More than any sender's fraction digits; what is longer is no timestamp.
    private static let longestText = 64

    package init?(rfc3339 bytes: Span<UInt8>) {
        guard bytes.count <= Self.longestText, bytes.count >= 19,
            let year = Self.number(bytes, 0, digits: 4), bytes[4] == UInt8(ascii: "-"),
            let month = Self.number(bytes, 5, digits: 2), bytes[7] == UInt8(ascii: "-"),
            let day = Self.number(bytes, 8, digits: 2), Self.isTimeMark(bytes[10]),
            let hour = Self.number(bytes, 11, digits: 2), bytes[13] == UInt8(ascii: ":"),
            let minute = Self.number(bytes, 14, digits: 2), bytes[16] == UInt8(ascii: ":"),
            let second = Self.number(bytes, 17, digits: 2)
        else { return nil }
        guard (1...12).contains(month), day >= 1, day <= Self.days(in: month, of: year), hour < 24, minute < 60, second <= 60 else {
            return nil
        }
        var at = 19
        guard let fraction = Self.fraction(bytes, &at), let offset = Self.zone(bytes, at) else { return nil }
        let ofDay = hour * 3_600 + minute * 60 + second
        let seconds = Self.daysSince1970(year: year, month: month, day: day) * Self.secondsPerDay + ofDay - offset
        guard Self.writableSeconds.contains(seconds) else { return nil }
        if second == 60 {
            // Only the end of a UTC day has a leap second; one second later a new day has begun.
            guard seconds % Self.secondsPerDay == 0 else { return nil }
        }
        self.init(microsecondsSince1970: seconds * Self.microsecondsPerSecond + fraction)
    }

    /// UTC text with 0, 3 or 6 fraction digits, the shortest of these that is exact: `2026-11-06T17:04:31Z`.
    package func rfc3339() -> String {
        var text: [UInt8] = []
        text.reserveCapacity(27)
        appendRFC3339(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Whether RFC 3339 text that was read is just what `rfc3339` writes for it.
    static func isCanonical(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count == 20 || bytes.count == 24 || bytes.count == 27, bytes[10] == UInt8(ascii: "T"),
            bytes[bytes.count - 1] == UInt8(ascii: "Z"), bytes[17] != UInt8(ascii: "6")
        else { return false }
        guard bytes.count > 20 else { return true }
        // Three digits, or six: zeros are not written.
        return bytes[bytes.count - 2] != UInt8(ascii: "0") || bytes[bytes.count - 3] != UInt8(ascii: "0")
            || bytes[bytes.count - 4] != UInt8(ascii: "0")
    }

    /// Appends what `rfc3339` gives.
    package func appendRFC3339(to text: inout [UInt8]) {
        let (seconds, fraction) = Self.floorDivide(microsecondsSince1970, Self.microsecondsPerSecond)
        let (days, ofDay) = Self.floorDivide(seconds, Self.secondsPerDay)
        let (year, month, day) = Self.date(daysSince1970: days)
        if year < 0 { text.append(UInt8(ascii: "-")) }
        Self.write(abs(year), digits: abs(year) > 9_999 ? 6 : 4, to: &text)
        text.append(UInt8(ascii: "-"))
        Self.write(month, digits: 2, to: &text)
        text.append(UInt8(ascii: "-"))
        Self.write(day, digits: 2, to: &text)
        text.append(UInt8(ascii: "T"))
        Self.write(ofDay / 3_600, digits: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        Self.write(ofDay / 60 % 60, digits: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        Self.write(ofDay % 60, digits: 2, to: &text)
        if fraction != 0 {
            text.append(UInt8(ascii: "."))
            let isMilliseconds = fraction % 1_000 == 0
            Self.write(isMilliseconds ? fraction / 1_000 : fraction, digits: isMilliseconds ? 3 : 6, to: &text)
        }
        text.append(UInt8(ascii: "Z"))
    }

    private static func isTimeMark(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "T") || byte == UInt8(ascii: "t") || byte == UInt8(ascii: " ")
    }

    private static func number(_ bytes: Span<UInt8>, _ at: Int, digits: Int) -> Int64? {
        guard at + digits <= bytes.count else { return nil }
        var value: Int64 = 0
        for place in at..<(at + digits) {
            guard bytes[place].isASCIIDigit else { return nil }
            value = value * 10 + Int64(bytes[place] - UInt8(ascii: "0"))
        }
        return value
    }

    /// Microseconds of the fraction at `at`, 0 without one; moves `at` behind it.
    private static func fraction(_ bytes: Span<UInt8>, _ at: inout Int) -> Int64? {
        guard at < bytes.count, bytes[at] == UInt8(ascii: ".") else { return 0 }
        at += 1
        let first = at
        var value: Int64 = 0
        var scale = microsecondsPerSecond
        while at < bytes.count, bytes[at].isASCIIDigit {
            scale /= 10
            value += Int64(bytes[at] - UInt8(ascii: "0")) * scale
            at += 1
        }
        return at > first ? value : nil
    }

    /// Seconds that the zone at `at` is ahead of UTC. It must be the last thing of the text.
    private static func zone(_ bytes: Span<UInt8>, _ at: Int) -> Int64? {
        guard at < bytes.count else { return 0 }
        switch bytes[at] {
        case UInt8(ascii: "Z"), UInt8(ascii: "z"):
            return at + 1 == bytes.count ? 0 : nil
        case UInt8(ascii: "+"), UInt8(ascii: "-"):
            guard at + 6 == bytes.count, bytes[at + 3] == UInt8(ascii: ":"),
                let hours = number(bytes, at + 1, digits: 2), let minutes = number(bytes, at + 4, digits: 2),
                hours < 24, minutes < 60
            else { return nil }
            let seconds = hours * 3_600 + minutes * 60
            return bytes[at] == UInt8(ascii: "-") ? -seconds : seconds
        default:
            return nil
        }
    }

    private static func write(_ value: Int64, digits: Int, to text: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

/// The proleptic Gregorian calendar, after Howard Hinnant, "chrono-compatible low-level date algorithms".
extension Timestamp {
    private static func days(in month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = floorDivide(year, 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func date(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floorDivide(days + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }
}
