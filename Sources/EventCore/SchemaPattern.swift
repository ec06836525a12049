/// A schema's `pattern`: a regular expression that is matched in linear time, whatever it says (docs/adr/0008-patterns.md).
///
/// It matches a whole value. It is an automaton of one state for each character that it names (Glushkov's), and a value is read once
/// with the set of states that are possible: there is nothing to go back to.
package struct SchemaPattern: Hashable, Sendable {
    /// So many characters and classes may a pattern name, counted with its repetitions.
    static let mostStates = 256
    /// A longer value is not matched: `too_long`. In bytes.
    static let longestValue = 8 * 1_024

    package let source: String
    private let automaton: Automaton

    package static func == (left: SchemaPattern, right: SchemaPattern) -> Bool { left.source == right.source }
    package func hash(into hasher: inout Hasher) { hasher.combine(source) }

    init(_ source: String) throws(SchemaPatternError) {
        self.source = source
        var parser = SchemaPatternParser(source)
        automaton = Automaton(try parser.parse())
    }

    /// Whether a value, UTF-8 that was checked before, is of this pattern.
    func matches(_ value: Span<UInt8>) -> Bool {
        var steps = 0
        return matches(value, steps: &steps)
    }

    func matches(_ value: String) -> Bool {
        let bytes = Array(value.utf8)
        return matches(bytes.span)
    }

    /// - Parameter steps: counts the states that were looked at, for the test that holds them to value × states.
    func matches(_ value: Span<UInt8>, steps: inout Int) -> Bool {
        guard value.count <= Self.longestValue else { return false }
        return automaton.matches(value, steps: &steps)
    }
}

/// Why a text is no pattern.
struct SchemaPatternError: Error, Hashable {
    /// Of the character at fault, from 1.
    let place: Int
    let message: String
}

extension SchemaPattern {
    /// A set of scalars: ranges, or all but those.
    struct ScalarSet: Hashable, Sendable {
        var ranges: [ClosedRange<UInt32>]
        var isNegated = false

        func contains(_ scalar: UInt32) -> Bool { ranges.contains { $0.contains(scalar) } != isNegated }
    }

    /// What the parser builds up: which of the states can come first, and which last, in a piece of a pattern.
    struct Piece {
        var isEmptyTaken: Bool
        var first: StateSet
        var last: StateSet
    }

    /// Everything that a pattern says.
    struct Positions {
        var sets: [ScalarSet] = []
        /// Which states can come after each.
        var follow: [StateSet] = []
        var whole = Piece(isEmptyTaken: true, first: StateSet(), last: StateSet())
    }

    /// 256 bits.
    struct StateSet: Hashable, Sendable {
        private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

        mutating func insert(_ state: Int) {
            let bit: UInt64 = 1 << UInt64(state & 63)
            switch state >> 6 {
            case 0: words.0 |= bit
            case 1: words.1 |= bit
            case 2: words.2 |= bit
            default: words.3 |= bit
            }
        }

        mutating func formUnion(_ other: StateSet) {
            words.0 |= other.words.0
            words.1 |= other.words.1
            words.2 |= other.words.2
            words.3 |= other.words.3
        }

        mutating func formIntersection(_ other: StateSet) {
            words.0 &= other.words.0
            words.1 &= other.words.1
            words.2 &= other.words.2
            words.3 &= other.words.3
        }

        var isEmpty: Bool { words.0 | words.1 | words.2 | words.3 == 0 }

        /// The least state, taken out.
        mutating func popFirst() -> Int? {
            if words.0 != 0 { return Self.pop(&words.0, 0) }
            if words.1 != 0 { return Self.pop(&words.1, 64) }
            if words.2 != 0 { return Self.pop(&words.2, 128) }
            if words.3 != 0 { return Self.pop(&words.3, 192) }
            return nil
        }

        private static func pop(_ word: inout UInt64, _ base: Int) -> Int {
            let place = word.trailingZeroBitCount
            word &= word &- 1
            return base + place
        }

        static func == (left: StateSet, right: StateSet) -> Bool { left.words == right.words }
        func hash(into hasher: inout Hasher) { hasher.combine(words.0) }
    }
}

extension SchemaPattern {
    /// A pattern made ready. Reading a value takes no memory.
    private final class Automaton: Sendable {
        /// The states that each ASCII character leads into.
        private let ascii: [StateSet]
        /// The same for all others: which set of scalars leads into which states.
        private let others: [(set: ScalarSet, states: StateSet)]
        private let first: StateSet
        private let last: StateSet
        private let follow: [StateSet]
        private let isEmptyTaken: Bool

        init(_ positions: Positions) {
            var distinct: [ScalarSet: StateSet] = [:]
            for (state, set) in positions.sets.enumerated() { distinct[set, default: StateSet()].insert(state) }
            ascii = (UInt32(0)..<128).map { scalar in
                distinct.reduce(into: StateSet()) { states, entry in
                    if entry.key.contains(scalar) { states.formUnion(entry.value) }
                }
            }
            others = distinct.map { ($0.key, $0.value) }
            first = positions.whole.first
            last = positions.whole.last
            follow = positions.follow
            isEmptyTaken = positions.whole.isEmptyTaken
        }

        func matches(_ value: Span<UInt8>, steps: inout Int) -> Bool {
            guard value.count > 0 else { return isEmptyTaken }
            var possible = first
            var states = StateSet()
            var at = 0
            while at < value.count {
                states = possible
                let byte = value[at]
                if byte < 0x80 {
                    states.formIntersection(ascii[Int(byte)])
                    at += 1
                } else {
                    states.formIntersection(leads(from: Self.scalar(value, &at)))
                }
                guard !states.isEmpty else { return false }
                possible = StateSet()
                var rest = states
                while let state = rest.popFirst() {
                    possible.formUnion(follow[state])
                    steps += 1
                }
            }
            states.formIntersection(last)
            return !states.isEmpty
        }

        private func leads(from scalar: UInt32) -> StateSet {
            var states = StateSet()
            for (set, members) in others where set.contains(scalar) { states.formUnion(members) }
            return states
        }

        /// Decodes UTF-8 that is known to be whole; what is cut ends with the value.
        private static func scalar(_ value: Span<UInt8>, _ at: inout Int) -> UInt32 {
            let lead = value[at]
            let length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
            var scalar = UInt32(lead) & (length == 4 ? 0x07 : length == 3 ? 0x0F : 0x1F)
            let end = min(at + length, value.count)
            at += 1
            while at < end {
                scalar = scalar << 6 | UInt32(value[at]) & 0x3F
                at += 1
            }
            return scalar
        }
    }
}
