/// A decimal number of any size, for comparing what was sent with a schema's limits, digit by digit.
struct DecimalNumber: Hashable, Sendable {
    /// Without zeros at either end; empty for zero.
    private let digits: [UInt8]
    /// The value is 0.d₁d₂d₃… × 10^exponent.
    private let exponent: Int
    private let isNegative: Bool

    /// Reads a JSON number that was scanned before; nil when it is none.
    init?(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        var digits: [UInt8] = []
        var point: Int?
        var exponent = 0
        var at = range.lowerBound
        let isNegative = at < range.upperBound && bytes[at] == UInt8(ascii: "-")
        if isNegative { at += 1 }
        scan: while at < range.upperBound {
            switch bytes[at] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digits.append(bytes[at] - UInt8(ascii: "0"))
            case UInt8(ascii: "."): point = digits.count
            case UInt8(ascii: "e"), UInt8(ascii: "E"): break scan
            default: return nil
            }
            at += 1
        }
        guard !digits.isEmpty else { return nil }
        if at < range.upperBound {
            at += 1
            let isDown = at < range.upperBound && bytes[at] == UInt8(ascii: "-")
            if at < range.upperBound, !bytes[at].isASCIIDigit { at += 1 }
            while at < range.upperBound {
                guard bytes[at].isASCIIDigit else { return nil }
                exponent = min(exponent * 10 + Int(bytes[at] - UInt8(ascii: "0")), 1_000_000_000)
                at += 1
            }
            if isDown { exponent = -exponent }
        }
        let zeros = digits.prefix { $0 == 0 }.count
        var significant = digits[zeros...]
        while significant.last == 0 { significant.removeLast() }
        self.digits = Array(significant)
        self.isNegative = isNegative && !significant.isEmpty
        self.exponent = significant.isEmpty ? 0 : (point ?? digits.count) - zeros + exponent
    }

    init?(_ text: String) {
        let bytes = Array(text.utf8)
        self.init(bytes.span, 0..<bytes.count)
    }

    /// The number written out, the same for every spelling of it: `-12.5`, `100`. Nil when that is longer than a record's number may be.
    var plainText: String? {
        guard !digits.isEmpty else { return "0" }
        guard abs(exponent) <= JSONTape.maximumDigits, digits.count <= JSONTape.maximumDigits else { return nil }
        var text: [UInt8] = isNegative ? [UInt8(ascii: "-")] : []
        if exponent <= 0 {
            text.append("0.")
            text.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: -exponent))
        }
        for (place, digit) in digits.enumerated() {
            if place == exponent, exponent > 0 { text.append(UInt8(ascii: ".")) }
            text.append(UInt8(ascii: "0") + digit)
        }
        if exponent > digits.count { text.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: exponent - digits.count)) }
        return String(decoding: text, as: UTF8.self)
    }

    /// A whole number.
    var isWhole: Bool { exponent >= digits.count }

    /// The number × 10^places without its fraction, when that is within eighteen digits.
    func truncated(shiftedBy places: Int) -> Int64? {
        let length = exponent + places
        guard length <= 18 else { return nil }
        var value: Int64 = 0
        for place in 0..<max(length, 0) {
            value = value * 10 + (place < digits.count ? Int64(digits[place]) : 0)
        }
        return isNegative ? -value : value
    }
}

extension DecimalNumber: Comparable {
    static func < (left: DecimalNumber, right: DecimalNumber) -> Bool {
        guard left.isNegative == right.isNegative else { return left.isNegative }
        return left.isNegative ? right.isCloserToZero(than: left) : left.isCloserToZero(than: right)
    }

    private func isCloserToZero(than other: DecimalNumber) -> Bool {
        if digits.isEmpty || other.digits.isEmpty { return digits.isEmpty && !other.digits.isEmpty }
        guard exponent == other.exponent else { return exponent < other.exponent }
        return digits.lexicographicallyPrecedes(other.digits)
    }
}
