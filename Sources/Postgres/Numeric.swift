/// An exact decimal: `numeric`. Keeps every digit and the scale as written, so "1.50" stays "1.50".
package struct Numeric: Hashable, Sendable {
    enum Kind: UInt16 {
        case positive = 0x0000
        case negative = 0x4000
        case notANumber = 0xC000
        case infinity = 0xD000
        case negativeInfinity = 0xF000
    }

    let kind: Kind
    /// The power of 10,000 of the first group.
    let weight: Int16
    /// Decimal digits after the point.
    let scale: UInt16
    /// Base-10,000 digits, no zero group first or last.
    let groups: [UInt16]

    package static let notANumber = Numeric(kind: .notANumber)
    package static let infinity = Numeric(kind: .infinity)
    package static let negativeInfinity = Numeric(kind: .negativeInfinity)

    /// PostgreSQL's bounds: `NUMERIC_DSCALE_MASK` and 131,072 digits before the point (datatype-numeric).
    private static let maximumScale = 16_383
    private static let maximumIntegerDigits = 131_072

    init(kind: Kind, weight: Int16 = 0, scale: UInt16 = 0, groups: [UInt16] = []) {
        self.kind = kind
        self.weight = weight
        self.scale = scale
        self.groups = groups
    }

    /// Reads `[+-]digits[.digits][e[+-]digits]`, `NaN`, `Infinity` or `-Infinity`; nil for anything else and for what
    /// PostgreSQL cannot hold (over 131,072 digits before the point, over 16,383 after).
    package init?(_ text: String) {
        switch text {
        case "NaN": self = .notANumber
        case "Infinity": self = .infinity
        case "-Infinity": self = .negativeInfinity
        default:
            guard let literal = DecimalLiteral(text.utf8) else { return nil }
            self.init(literal)
        }
    }

    private init?(_ literal: DecimalLiteral) {
        let digits = literal.digits
        let scale = max(0, digits.count - literal.pointPosition)
        guard scale <= Self.maximumScale else { return nil }
        guard let first = digits.firstIndex(where: { $0 != 0 }), let last = digits.lastIndex(where: { $0 != 0 }) else {
            self.init(kind: .positive, scale: UInt16(scale))
            return
        }
        // Place of a digit: its power of ten. Groups are cut at multiples of four.
        let highest = literal.pointPosition - 1 - first
        guard highest < Self.maximumIntegerDigits else { return nil }
        let weight = Self.floorQuarter(highest)
        let lowestGroup = Self.floorQuarter(literal.pointPosition - 1 - last)
        var groups = [UInt16](repeating: 0, count: weight - lowestGroup + 1)
        for index in first...last {
            let place = literal.pointPosition - 1 - index
            let group = Self.floorQuarter(place)
            groups[weight - group] += UInt16(digits[index]) * Self.powers[place - group * 4]
        }
        self.init(
            kind: literal.isNegative ? .negative : .positive,
            weight: Int16(weight),
            scale: UInt16(scale),
            groups: groups
        )
    }

    private static let powers: [UInt16] = [1, 10, 100, 1_000]

    private static func floorQuarter(_ place: Int) -> Int { place >> 2 }

    /// The exact decimal text, as PostgreSQL prints it.
    package var text: String {
        switch kind {
        case .notANumber: return "NaN"
        case .infinity: return "Infinity"
        case .negativeInfinity: return "-Infinity"
        case .positive, .negative: break
        }
        var bytes: [UInt8] = kind == .negative ? [UInt8(ascii: "-")] : []
        let integerGroups = Int(weight) + 1
        if groups.isEmpty || integerGroups <= 0 {
            bytes.append(UInt8(ascii: "0"))
        } else {
            for index in 0..<integerGroups { appendGroup(index, to: &bytes, padded: index > 0) }
        }
        if scale > 0 {
            bytes.append(UInt8(ascii: "."))
            let end = bytes.count + Int(scale)
            var index = integerGroups
            if integerGroups < 0, !groups.isEmpty {
                bytes.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: -integerGroups * 4))
                index = 0
            }
            while bytes.count < end {
                appendGroup(groups.isEmpty ? -1 : index, to: &bytes, padded: true)
                index += 1
            }
            bytes.removeLast(bytes.count - end)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func appendGroup(_ index: Int, to bytes: inout [UInt8], padded: Bool) {
        let group = groups.indices.contains(index) ? groups[index] : 0
        var isLeading = !padded
        for (place, power) in Self.powers.reversed().enumerated() {
            let digit = UInt8(group / power % 10)
            if isLeading, digit == 0, place < 3 { continue }
            isLeading = false
            bytes.append(UInt8(ascii: "0") + digit)
        }
    }
}

extension Numeric: PostgresValue {
    package static var typeOID: UInt32 { 1700 }
    package static var arrayOID: UInt32 { 1231 }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendBigEndian(UInt16(groups.count))
        bytes.appendBigEndian(weight)
        bytes.appendBigEndian(kind.rawValue)
        bytes.appendBigEndian(scale)
        for group in groups { bytes.appendBigEndian(group) }
    }

    package init(decoding bytes: UnsafeRawBufferPointer, oid: UInt32) throws(PostgresError) {
        var reader = ByteReader(bytes)
        let count = Int(try reader.read(UInt16.self))
        let weight = try reader.read(Int16.self)
        guard let kind = Kind(rawValue: try reader.read(UInt16.self)) else { throw .decoding("unknown sign of a numeric") }
        let scale = try reader.read(UInt16.self)
        guard reader.rest.count == count * 2 else { throw .decoding("malformed numeric") }
        var groups: [UInt16] = []
        groups.reserveCapacity(count)
        for _ in 0..<count {
            let group = try reader.read(UInt16.self)
            guard group < 10_000 else { throw .decoding("malformed numeric") }
            groups.append(group)
        }
        switch kind {
        // The server leaves leftovers in the other parts of these.
        case .notANumber, .infinity, .negativeInfinity: self.init(kind: kind)
        case .positive, .negative: self.init(kind: kind, weight: weight, scale: scale, groups: groups)
        }
    }
}

extension Numeric: CustomStringConvertible {
    package var description: String { text }
}
