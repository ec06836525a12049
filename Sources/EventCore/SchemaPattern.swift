/// A schema's `pattern`: a regular expression that is matched in linear time, whatever it says (docs/adr/0008-patterns.md).
///
/// It matches a whole value. It is an automaton of one state for each character that it names (Glushkov's), and a value is read once
/// with the set of states that are possible: there is nothing to go back to. What a record's patterns take together has a bound too: `Steps`.
package struct SchemaPattern: Hashable, Sendable {
    /// So many characters and classes may a pattern name, counted with its repetitions.
    static let mostStates = 256
    /// A longer value is not matched: `too_long`. In bytes.
    static let longestValue = 8 * 1_024

    package let source: String

    init(_ source: String) throws(SchemaPatternError) {
        self.source = source
        var parser = SchemaPatternParser(source)
        _ = try parser.parse()
    }

    /// Made ready for many values. It takes some twelve KiB, a hundred times the text: for versions that records are read with, not
    /// for all that were.
    var matcher: Matcher { Matcher(self) }

    func matches(_ value: String) -> Bool {
        let bytes = Array(value.utf8)
        var steps = Steps(most: .max)
        return matcher.matches(bytes.span, &steps)
    }

    struct Matcher: Sendable {
        /// Never nil: what was parsed once can be parsed again.
        private let automaton: Automaton?

        fileprivate init(_ pattern: SchemaPattern) {
            var parser = SchemaPatternParser(pattern.source)
            automaton = (try? parser.parse()).map(Automaton.init)
        }

        /// Whether a value, UTF-8 that was checked before, is of this pattern; false when no steps are left.
        func matches(_ value: Span<UInt8>, _ steps: inout Steps) -> Bool {
            guard value.count <= SchemaPattern.longestValue, let automaton else { return false }
            return automaton.matches(value, &steps)
        }
    }

    /// What matching may cost: a step is a character, or a state that it was possible to be in.
    struct Steps {
        /// No record takes more, however large: some ten milliseconds.
        static let mostOfRecord = 4 << 20

        private(set) var left: Int

        init(most: Int) { left = most }

        /// As many as it takes to read each byte of a record once, with all the states that a pattern can have. Only where fields share
        /// their values can patterns ask for more.
        init(recordBytes: Int) { left = min(recordBytes * (SchemaPattern.mostStates + 1), Self.mostOfRecord) }

        var areSpent: Bool { left < 0 }

        mutating func take(_ count: Int) { left -= count }
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
        /// In order, and apart from each other.
        private(set) var ranges: [ClosedRange<UInt32>] = []
        var isNegated = false

        init(ranges: [ClosedRange<UInt32>], isNegated: Bool = false) {
            self.isNegated = isNegated
            for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
                if let last = self.ranges.last, range.lowerBound <= last.upperBound {
                    self.ranges[self.ranges.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
                } else {
                    self.ranges.append(range)
                }
            }
        }
    }

    /// What the parser builds up: which of the states can come first, and which last, in a piece of a pattern.
    struct Piece {
        var isEmptyTaken: Bool
        var first: StateSet
        var last: StateSet
    }

    /// A character or a class in a pattern's text, with all the states that repetitions make of it.
    struct Named {
        let set: ScalarSet
        /// Where the text goes on behind it.
        let end: Int
        var states = StateSet()
    }

    /// Everything that a pattern says.
    struct Positions {
        /// By their place in the text.
        var named: [Int: Named] = [:]
        /// Which states can come after each.
        var follow: [StateSet] = []
        var whole = Piece(isEmptyTaken: true, first: StateSet(), last: StateSet())
    }

    /// 256 bits.
    struct StateSet: Hashable, Sendable {
        private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

        /// Puts a state in where it is not, and takes it out where it is.
        mutating func flip(_ state: Int) {
            let bit: UInt64 = 1 << UInt64(state & 63)
            switch state >> 6 {
            case 0: words.0 ^= bit
            case 1: words.1 ^= bit
            case 2: words.2 ^= bit
            default: words.3 ^= bit
            }
        }

        mutating func formUnion(_ other: StateSet) {
            words.0 |= other.words.0
            words.1 |= other.words.1
            words.2 |= other.words.2
            words.3 |= other.words.3
        }

        mutating func formSymmetricDifference(_ other: StateSet) {
            words.0 ^= other.words.0
            words.1 ^= other.words.1
            words.2 ^= other.words.2
            words.3 ^= other.words.3
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
    fileprivate final class Automaton: Sendable {
        /// The states that each ASCII character leads into.
        private let ascii: [StateSet]
        /// The same for all: from which scalar on it is which states, in order. The first is from 0 on.
        private let changes: [(from: UInt32, states: StateSet)]
        private let first: StateSet
        private let last: StateSet
        private let follow: [StateSet]
        private let isEmptyTaken: Bool

        init(_ positions: Positions) {
            let changes = Self.changes(positions.named.values)
            self.changes = changes
            ascii = (UInt32(0)..<128).map { Self.states($0, changes) }
            first = positions.whole.first
            last = positions.whole.last
            follow = positions.follow
            isEmptyTaken = positions.whole.isEmptyTaken
        }

        func matches(_ value: Span<UInt8>, _ steps: inout Steps) -> Bool {
            guard value.count > 0 else { return isEmptyTaken }
            var possible = first
            var states = StateSet()
            var at = 0
            while at < value.count, !steps.areSpent {
                states = possible
                let byte = value[at]
                if byte < 0x80 {
                    states.formIntersection(ascii[Int(byte)])
                    at += 1
                } else {
                    states.formIntersection(Self.states(Self.scalar(value, &at), changes))
                }
                guard !states.isEmpty else { return false }
                possible = StateSet()
                var rest = states
                var count = 1
                while let state = rest.popFirst() {
                    possible.formUnion(follow[state])
                    count += 1
                }
                steps.take(count)
            }
            states.formIntersection(last)
            return !states.isEmpty && !steps.areSpent
        }

        /// A state is in one set: where one of its set's ranges begins or ends, it is the other of in and out.
        private static func changes(_ named: some Sequence<Named>) -> [(from: UInt32, states: StateSet)] {
            var turns: [UInt32: StateSet] = [0: StateSet()]
            for one in named {
                if one.set.isNegated { turns[0, default: StateSet()].formSymmetricDifference(one.states) }
                for range in one.set.ranges {
                    turns[range.lowerBound, default: StateSet()].formSymmetricDifference(one.states)
                    turns[range.upperBound + 1, default: StateSet()].formSymmetricDifference(one.states)
                }
            }
            var states = StateSet()
            return turns.sorted { $0.key < $1.key }.map { from, turned in
                states.formSymmetricDifference(turned)
                return (from, states)
            }
        }

        /// The states that a scalar leads into.
        private static func states(_ scalar: UInt32, _ changes: [(from: UInt32, states: StateSet)]) -> StateSet {
            var low = 0
            var high = changes.count
            while high - low > 1 {
                let middle = (low + high) / 2
                if changes[middle].from <= scalar { low = middle } else { high = middle }
            }
            return changes[low].states
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
