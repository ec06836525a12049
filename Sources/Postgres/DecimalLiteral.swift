/// A decimal number as written: its digits, and where the point falls among them.
struct DecimalLiteral {
    private(set) var isNegative = false
    /// Values 0 to 9, most significant first, leading zeros dropped.
    private(set) var digits: [UInt8] = []
    /// How many of the digits are before the point; may be negative or beyond the digits.
    private(set) var pointPosition = 0

    /// Exponents beyond this are outside PostgreSQL's range whatever the digits, and must not overflow on the way.
    private static let exponentBound = 1_000_000

    init?(_ text: some Sequence<UInt8>) {
        var bytes = Array(text)[...]
        if let sign = bytes.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            isNegative = sign == UInt8(ascii: "-")
            bytes.removeFirst()
        }
        let whole = Self.takeDigits(&bytes)
        var fraction: [UInt8] = []
        if bytes.first == UInt8(ascii: ".") {
            bytes.removeFirst()
            fraction = Self.takeDigits(&bytes)
        }
        guard !whole.isEmpty || !fraction.isEmpty else { return nil }
        guard let exponent = Self.takeExponent(&bytes), bytes.isEmpty else { return nil }
        digits = whole + fraction
        pointPosition = whole.count + exponent
        let zeros = digits.prefix { $0 == 0 }.count
        digits.removeFirst(zeros)
        pointPosition -= zeros
    }

    private static func takeDigits(_ bytes: inout ArraySlice<UInt8>) -> [UInt8] {
        let digits = bytes.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        bytes = bytes.dropFirst(digits.count)
        return digits.map { $0 - UInt8(ascii: "0") }
    }

    /// 0 when there is none, nil when it is malformed or absurd.
    private static func takeExponent(_ bytes: inout ArraySlice<UInt8>) -> Int? {
        guard let mark = bytes.first, mark == UInt8(ascii: "e") || mark == UInt8(ascii: "E") else { return 0 }
        bytes.removeFirst()
        var sign = 1
        if let byte = bytes.first, byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") {
            sign = byte == UInt8(ascii: "-") ? -1 : 1
            bytes.removeFirst()
        }
        let digits = takeDigits(&bytes)
        guard !digits.isEmpty else { return nil }
        var value = 0
        for digit in digits {
            value = value * 10 + Int(digit)
            guard value <= exponentBound else { return nil }
        }
        return sign * value
    }
}
