/// One value or key of a scanned JSON text: where its bytes are, and where the token after it is.
package struct JSONToken: Sendable {
    package enum Kind: UInt8, Sendable {
        case object, array, string, number, `true`, `false`, null
    }

    /// What the mapper made of a value; decides whether it is written to `extra`.
    enum Mark: UInt8, Sendable {
        /// No pointer leads here.
        case unknown
        /// An object that pointers lead into.
        case parent
        /// A pointer's value, stored in a form that does not give the sent one back.
        case altered
        /// A pointer's value that its stored form gives back.
        case restorable
    }

    package let kind: Kind
    /// A string with at least one escape: its contents differ from its bytes.
    package let isEscaped: Bool
    var mark: Mark = .unknown
    private let first: UInt32
    private var pastLast: UInt32
    private var following: UInt32

    init(_ kind: Kind, start: Int, end: Int, next: Int, isEscaped: Bool = false) {
        self.kind = kind
        self.isEscaped = isEscaped
        // The scanner refuses inputs of 2^32 bytes and more, so that these never truncate.
        first = UInt32(truncatingIfNeeded: start)
        pastLast = UInt32(truncatingIfNeeded: end)
        following = UInt32(truncatingIfNeeded: next)
    }

    /// Offset of its first byte (the quote, for a string).
    package var start: Int { Int(first) }
    /// Offset after its last byte.
    package internal(set) var end: Int {
        get { Int(pastLast) }
        set { pastLast = UInt32(truncatingIfNeeded: newValue) }
    }
    /// Index of the token after this one and all within it.
    package internal(set) var next: Int {
        get { Int(following) }
        set { following = UInt32(truncatingIfNeeded: newValue) }
    }
    package var range: Range<Int> { start..<max(start, end) }
    /// The bytes between a string's quotes.
    package var contents: Range<Int> { (start + 1)..<max(start + 1, end - 1) }
}
