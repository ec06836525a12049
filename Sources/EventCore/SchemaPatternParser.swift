/// Reads a pattern: what of regular expressions can be matched without ever going back. Everything else is refused in words.
struct SchemaPatternParser {
    private typealias Piece = SchemaPattern.Piece
    private typealias ScalarSet = SchemaPattern.ScalarSet

    private let scalars: [Unicode.Scalar]
    private var at = 0
    private var depth = 0
    /// Pieces built: bounds what repetitions of nothing may cost.
    private var pieces = 0
    private var positions = SchemaPattern.Positions()

    static let longest = 1_024
    static let deepest = 32
    static let mostRepetitions = 255
    private static let mostPieces = 4_096

    init(_ source: String) {
        scalars = Array(source.unicodeScalars.prefix(Self.longest + 1))
    }

    mutating func parse() throws(SchemaPatternError) -> SchemaPattern.Positions {
        guard scalars.count <= Self.longest else { throw error("a pattern is at most \(Self.longest) characters", at: Self.longest) }
        let isAnchored = scalars.first == "^" || (scalars.last == "$" && !isEscaped(scalars.count - 1))
        if scalars.first == "^" { at = 1 }
        let (whole, branches) = try alternatives()
        guard at == scalars.count else { throw error("this parenthesis closes nothing; one that is meant is written \\)") }
        guard branches == 1 || !isAnchored else {
            throw error("^ and $ would belong to one alternative only: write ^(a|b)$, or leave them out", at: 0)
        }
        positions.whole = whole
        return positions
    }

    /// `a|b|c`, to the end or to a closing parenthesis.
    private mutating func alternatives() throws(SchemaPatternError) -> (Piece, count: Int) {
        var all = try sequence()
        var count = 1
        while peek == "|" {
            at += 1
            count += 1
            let branch = try sequence()
            all.isEmptyTaken = all.isEmptyTaken || branch.isEmptyTaken
            all.first.formUnion(branch.first)
            all.last.formUnion(branch.last)
        }
        return (all, count)
    }

    private mutating func sequence() throws(SchemaPatternError) -> Piece {
        var whole = Self.nothing
        while let next = peek, next != "|", next != ")" {
            if next == "$", at == scalars.count - 1, depth == 0 {
                at += 1
                break
            }
            whole = try joined(whole, try repeated())
        }
        return whole
    }

    /// One item and what says how often: `* + ? {2} {2,} {2,5}`. A repetition is built as often as it may occur.
    private mutating func repeated() throws(SchemaPatternError) -> Piece {
        let start = at
        let first = try item()
        guard let (least, most) = try quantifier() else { return first }
        let end = at
        var whole = Self.nothing
        var copy: Piece? = first
        let copies = max(most ?? max(least, 1), 0)
        if copies == 0 { throw error("{0} leaves nothing to match", at: end - 1) }
        for number in 0..<copies {
            var piece: Piece
            if let made = copy {
                piece = made
                copy = nil
            } else {
                at = start
                piece = try item()
            }
            if most == nil, number == copies - 1 { link(piece.last, to: piece.first) }
            if number >= least { piece.isEmptyTaken = true }
            whole = try joined(whole, piece)
        }
        at = end
        return whole
    }

    private mutating func quantifier() throws(SchemaPatternError) -> (least: Int, most: Int?)? {
        let bounds: (Int, Int?)
        switch peek {
        case "*": bounds = (0, nil)
        case "+": bounds = (1, nil)
        case "?": bounds = (0, 1)
        case "{": bounds = try braces()
        default: return nil
        }
        at += 1
        if let next = peek, ["*", "+", "?", "{"].contains(next) {
            throw error("`\(next)` after a repetition: lazy and possessive ones are not supported, and change nothing here; leave it out")
        }
        return bounds
    }

    /// `{2}`, `{2,}`, `{2,5}`; stays before the closing brace.
    private mutating func braces() throws(SchemaPatternError) -> (Int, Int?) {
        let start = at
        at += 1
        let least = number()
        var most = least
        if peek == "," {
            at += 1
            most = peek == "}" ? nil : number() ?? -1
        }
        guard let least, peek == "}", most ?? 0 >= 0 else {
            throw error("a repetition is {2}, {2,} or {2,5}; a brace that is meant is written \\{", at: start)
        }
        guard max(least, most ?? 0) <= Self.mostRepetitions else {
            throw error("a repetition is at most \(Self.mostRepetitions); for a longer text use max_length", at: start)
        }
        if let most, most < least { throw error("the repetition's second number is below its first", at: start) }
        return (least, most)
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let digit = peek?.value, (48...57).contains(digit) {
            value = min((value ?? 0) * 10 + Int(digit - 48), 1_000_000)
            at += 1
        }
        return value
    }

    private mutating func item() throws(SchemaPatternError) -> Piece {
        guard let scalar = peek else { throw error("the pattern ends too early") }
        pieces += 1
        guard pieces <= Self.mostPieces else { throw tooLarge }
        switch scalar {
        case "(": return try group()
        case "*", "+", "?", "{": throw error("there is nothing before `\(scalar)` to repeat; one that is meant is written \\\(scalar)")
        case "}", "]": throw error("`\(scalar)` closes nothing; one that is meant is written \\\(scalar)")
        case "^", "$":
            throw error(
                "`\(scalar)` stands at the pattern's very end only, which always matches whole values; one that is meant is written \\\(scalar)"
            )
        default: return try state(scalar)
        }
    }

    /// One character or class, which stands here.
    private mutating func set(_ scalar: Unicode.Scalar) throws(SchemaPatternError) -> ScalarSet {
        switch scalar {
        case "[":
            var reader = SchemaPatternClass(scalars, at + 1)
            let set = try reader.read()
            at = reader.at
            return set
        case "\\": return try SchemaPatternClass.escape(scalars, &at)
        default:
            at += 1
            return scalar == "." ? ScalarSet(ranges: [0x0A...0x0A], isNegated: true) : ScalarSet(ranges: [scalar.value...scalar.value])
        }
    }

    private mutating func group() throws(SchemaPatternError) -> Piece {
        let start = at
        at += 1
        if peek == "?" {
            guard at + 1 < scalars.count, scalars[at + 1] == ":" else {
                throw error("lookaround, names and flags are not supported: a group is (…) or (?:…)", at: start)
            }
            at += 2
        }
        depth += 1
        guard depth <= Self.deepest else { throw error("groups are nested deeper than \(Self.deepest)", at: start) }
        let (piece, _) = try alternatives()
        guard peek == ")" else { throw error("this parenthesis is never closed", at: start) }
        at += 1
        depth -= 1
        return piece
    }

    // MARK: The automaton

    private static let nothing = Piece(isEmptyTaken: true, first: .init(), last: .init())

    /// A state for what stands here. A repetition comes here often: what stands here is read once.
    private mutating func state(_ scalar: Unicode.Scalar) throws(SchemaPatternError) -> Piece {
        let number = positions.follow.count
        guard number < SchemaPattern.mostStates else { throw tooLarge }
        let start = at
        var named: SchemaPattern.Named
        if let known = positions.named[start] {
            named = known
        } else {
            let set = try set(scalar)
            named = SchemaPattern.Named(set: set, end: at)
        }
        at = named.end
        named.states.flip(number)
        positions.named[start] = named
        positions.follow.append(.init())
        var only = SchemaPattern.StateSet()
        only.flip(number)
        return Piece(isEmptyTaken: false, first: only, last: only)
    }

    private mutating func link(_ ends: SchemaPattern.StateSet, to beginnings: SchemaPattern.StateSet) {
        var rest = ends
        while let state = rest.popFirst() { positions.follow[state].formUnion(beginnings) }
    }

    private mutating func joined(_ left: Piece, _ right: Piece) throws(SchemaPatternError) -> Piece {
        pieces += 1
        guard pieces <= Self.mostPieces else { throw tooLarge }
        link(left.last, to: right.first)
        var whole = Piece(isEmptyTaken: left.isEmptyTaken && right.isEmptyTaken, first: left.first, last: right.last)
        if left.isEmptyTaken { whole.first.formUnion(right.first) }
        if right.isEmptyTaken { whole.last.formUnion(left.last) }
        return whole
    }

    // MARK: The text

    private var peek: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }

    private func isEscaped(_ place: Int) -> Bool {
        scalars[..<place].reversed().prefix { $0 == "\\" }.count % 2 == 1
    }

    private var tooLarge: SchemaPatternError {
        error("the pattern names more than \(SchemaPattern.mostStates) characters, repetitions counted; for a text's length use max_length")
    }

    private func error(_ message: String, at place: Int? = nil) -> SchemaPatternError {
        SchemaPatternError(place: (place ?? at) + 1, message: message)
    }
}
