/// A decimal number of any size, for comparing what was sent with a schema's limits, digit by digit.
///
/// One of up to 32 digits needs no memory of its own.
struct DecimalNumber: Hashable, Sendable {
    /// The first sixteen digits and the next, four bits each, the first digit on top; then the rest. Without zeros at either end.
    private var high: UInt64 = 0
    private var low: UInt64 = 0
    private var rest: [UInt8] = []
    /// 0 for zero.
    private var count = 0
    /// The value is 0.d₁d₂d₃… × 10^exponent.
    private var exponent = 0
    private var isNegative = false

    /// Reads a JSON number that was scanned before; nil when it is none.
    init?(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        var (zeros, read) = (0, 0)
        var last = 0
        var point: Int?
        var exponent = 0
        var at = range.lowerBound
        let isNegative = at < range.upperBound && bytes[at] == UInt8(ascii: "-")
        if isNegative { at += 1 }
        scan: while at < range.upperBound {
            switch bytes[at] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                let digit = bytes[at] - UInt8(ascii: "0")
                read += 1
                if count == 0, digit == 0 { zeros += 1 } else { append(digit) }
                if digit != 0 { last = count }
            case UInt8(ascii: "."): point = read
            case UInt8(ascii: "e"), UInt8(ascii: "E"): break scan
            default: return nil
            }
            at += 1
        }
        guard read > 0 else { return nil }
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
        // Zeros behind the last digit are zeros in the words too.
        count = last
        rest.removeLast(rest.count - min(rest.count, max(0, last - Self.packed)))
        guard count > 0 else { return }
        self.isNegative = isNegative
        self.exponent = (point ?? read) - zeros + exponent
    }

    private static let packed = 32

    private mutating func append(_ digit: UInt8) {
        switch count {
        case ..<16: high |= UInt64(digit) << UInt64(60 - 4 * count)
        case ..<Self.packed: low |= UInt64(digit) << UInt64(60 - 4 * (count - 16))
        default: rest.append(digit)
        }
        count += 1
    }

    private func digit(_ place: Int) -> UInt8 {
        switch place {
        case count...: 0
        case ..<16: UInt8(truncatingIfNeeded: high >> UInt64(60 - 4 * place)) & 0xF
        case ..<Self.packed: UInt8(truncatingIfNeeded: low >> UInt64(60 - 4 * (place - 16))) & 0xF
        default: rest[place - Self.packed]
        }
    }

    init?(_ text: String) {
        let bytes = Array(text.utf8)
        self.init(bytes.span, 0..<bytes.count)
    }

    /// The number written out, the same for every spelling of it: `-12.5`, `100`. Nil when that is longer than a record's number may be.
    var plainText: String? {
        guard count > 0 else { return "0" }
        guard abs(exponent) <= JSONTape.maximumDigits, count <= JSONTape.maximumDigits else { return nil }
        var text: [UInt8] = isNegative ? [UInt8(ascii: "-")] : []
        if exponent <= 0 {
            text.append("0.")
            text.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: -exponent))
        }
        for place in 0..<count {
            if place == exponent, exponent > 0 { text.append(UInt8(ascii: ".")) }
            text.append(UInt8(ascii: "0") + digit(place))
        }
        if exponent > count { text.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: exponent - count)) }
        return String(decoding: text, as: UTF8.self)
    }

    /// A whole number.
    var isWhole: Bool { exponent >= count }

    /// The number × 10^places without its fraction, when that is within eighteen digits.
    func truncated(shiftedBy places: Int) -> Int64? {
        let length = exponent + places
        guard length <= 18 else { return nil }
        var value: Int64 = 0
        for place in 0..<max(length, 0) {
            value = value * 10 + Int64(digit(place))
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
        if count == 0 || other.count == 0 { return count < other.count }
        guard exponent == other.exponent else { return exponent < other.exponent }
        guard high == other.high else { return high < other.high }
        guard low == other.low else { return low < other.low }
        return rest.lexicographicallyPrecedes(other.rest)
    }
}
