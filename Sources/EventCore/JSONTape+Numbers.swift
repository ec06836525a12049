extension JSONTape {
    /// Scans the number at `start`; returns the offset after it.
    mutating func scanNumber(_ bytes: Span<UInt8>, at start: Int) throws(JSONError) -> Int {
        var at = start
        if bytes[at] == UInt8(ascii: "-") { at += 1 }
        let integer = at
        at = Self.skipDigits(bytes, from: at)
        let integerDigits = at - integer
        guard integerDigits > 0 else { throw JSONError(at < bytes.count ? .invalidNumber : .unexpectedEnd, at: at) }
        guard integerDigits == 1 || bytes[integer] != UInt8(ascii: "0") else { throw JSONError(.invalidNumber, at: integer) }

        var fractionDigits = 0
        let fraction = at + 1
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            at = Self.skipDigits(bytes, from: fraction)
            fractionDigits = at - fraction
            guard fractionDigits > 0 else { throw JSONError(at < bytes.count ? .invalidNumber : .unexpectedEnd, at: at) }
        }

        var exponent = 0
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            var isNegative = false
            if at < bytes.count, bytes[at] == UInt8(ascii: "-") || bytes[at] == UInt8(ascii: "+") {
                isNegative = bytes[at] == UInt8(ascii: "-")
                at += 1
            }
            let digits = at
            at = Self.skipDigits(bytes, from: at)
            guard at > digits else { throw JSONError(at < bytes.count ? .invalidNumber : .unexpectedEnd, at: at) }
            for place in digits..<at { exponent = min(exponent * 10 + Int(bytes[place] - UInt8(ascii: "0")), 1_000_000_000) }
            if isNegative { exponent = -exponent }
        }

        append(JSONToken(.number, start: start, end: at, next: tokens.count + 1))
        var integerPlaces = integerDigits
        if bytes[integer] == UInt8(ascii: "0") {
            var zeros = 0
            while zeros < fractionDigits, bytes[fraction + zeros] == UInt8(ascii: "0") { zeros += 1 }
            integerPlaces = zeros == fractionDigits ? -exponent : -zeros
        }
        let digits = max(integerPlaces + exponent, 1) + max(fractionDigits - exponent, 0)
        // Even a zero's exponent has a bound in PostgreSQL; a hundred times our digits is far below it.
        expansion += max(0, digits - (at - start))
        if digits > Self.maximumDigits || abs(exponent) > Self.maximumDigits * 100 || expansion > Self.maximumExpansion {
            note(JSONError(.numberOutOfRange, at: start))
        }
        return at
    }

    private static func skipDigits(_ bytes: Span<UInt8>, from start: Int) -> Int {
        var at = start
        while at < bytes.count, bytes[at].isASCIIDigit { at += 1 }
        return at
    }
}
