/// Reads what stands for one character in a pattern: a class in brackets, an escape.
struct SchemaPatternClass {
    private typealias ScalarSet = SchemaPattern.ScalarSet

    private let scalars: [Unicode.Scalar]
    private(set) var at: Int

    /// - Parameter at: after the opening bracket.
    init(_ scalars: [Unicode.Scalar], _ at: Int) {
        self.scalars = scalars
        self.at = at
    }

    /// `[a-z0-9_-]`, `[^,;]`, `[\d.]`; leaves `at` after the closing bracket.
    mutating func read() throws(SchemaPatternError) -> SchemaPattern.ScalarSet {
        let start = at
        var ranges: [ClosedRange<UInt32>] = []
        let isNegated = peek == "^"
        if isNegated { at += 1 }
        while let scalar = peek, scalar != "]" {
            if scalar == "[" {
                throw SchemaPatternError(place: at + 1, message: "a bracket within a class is written \\[")
            }
            let low = try member()
            guard peek == "-", at + 1 < scalars.count, scalars[at + 1] != "]" else {
                ranges += low.ranges
                continue
            }
            let dash = at
            at += 1
            let high = try member()
            guard let from = low.only, let to = high.only, from <= to else {
                throw SchemaPatternError(
                    place: dash + 1,
                    message: "a range goes from one character up to another, as a-z; a hyphen that is meant is written \\-"
                )
            }
            ranges.append(from...to)
        }
        guard peek == "]" else { throw SchemaPatternError(place: start, message: "this bracket is never closed") }
        guard !ranges.isEmpty else { throw SchemaPatternError(place: start, message: "a class names at least one character") }
        at += 1
        return ScalarSet(ranges: ranges, isNegated: isNegated)
    }

    private mutating func member() throws(SchemaPatternError) -> SchemaPattern.ScalarSet {
        guard let scalar = peek else { throw SchemaPatternError(place: at, message: "this class is never closed") }
        if scalar == "\\" {
            let place = at
            let set = try Self.escape(scalars, &at)
            guard !set.isNegated else {
                throw SchemaPatternError(place: place + 1, message: "\\D, \\W and \\S stand outside of classes only; here write [^…]")
            }
            return set
        }
        at += 1
        return ScalarSet(ranges: [scalar.value...scalar.value])
    }

    private var peek: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }

    /// What an escape means; leaves `at` after it.
    static func escape(_ scalars: [Unicode.Scalar], _ at: inout Int) throws(SchemaPatternError) -> SchemaPattern.ScalarSet {
        let start = at
        guard at + 1 < scalars.count else {
            throw SchemaPatternError(place: start + 1, message: "the pattern ends with a backslash; one that is meant is written \\\\")
        }
        let scalar = scalars[at + 1]
        at += 2
        switch scalar {
        case "d", "D": return ScalarSet(ranges: [0x30...0x39], isNegated: scalar == "D")
        case "w", "W": return ScalarSet(ranges: [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A], isNegated: scalar == "W")
        case "s", "S": return ScalarSet(ranges: [0x09...0x0D, 0x20...0x20], isNegated: scalar == "S")
        case "t": return ScalarSet(ranges: [0x09...0x09])
        case "n": return ScalarSet(ranges: [0x0A...0x0A])
        case "r": return ScalarSet(ranges: [0x0D...0x0D])
        case "1"..."9", "k":
            throw SchemaPatternError(place: start + 1, message: "a reference back to a group cannot be matched in linear time")
        case "b", "B", "A", "z", "Z", "G":
            throw SchemaPatternError(place: start + 1, message: "\\\(scalar) is not supported: a pattern matches whole values")
        case "p", "P":
            throw SchemaPatternError(
                place: start + 1,
                message: "Unicode properties are not supported: write the characters out, as [a-zäöü]"
            )
        case "0", "a"..."z", "A"..."Z":
            throw SchemaPatternError(place: start + 1, message: "there is no escape \\\(scalar)")
        default:
            return ScalarSet(ranges: [scalar.value...scalar.value])
        }
    }
}

extension SchemaPattern.ScalarSet {
    /// The one scalar it holds.
    fileprivate var only: UInt32? {
        guard !isNegated, ranges.count == 1, let range = ranges.first, range.count == 1 else { return nil }
        return range.lowerBound
    }
}
