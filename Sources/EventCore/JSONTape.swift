/// A flat list of the tokens of one JSON text, made in one strict pass (RFC 8259).
///
/// An object's token is followed by key, value, key, value…; an array's by its values; `next` skips a value whole.
/// The text is UTF-8 without a byte order mark, at most `maximumDepth` deep, and no object has a key twice, compared
/// as decoded. Numbers keep every digit: nothing is converted. Reuse one tape for many texts: it keeps its memory.
package struct JSONTape: Sendable {
    package static let maximumDepth = 64
    /// A number may not expand to more digits than this. (jsonb would hold 131,072 before the point; nobody means that.)
    package static let maximumDigits = 1_000
    /// Of a record: what is read back is not much longer than what was sent.
    static let maximumExpansion = 64 * 1024

    package private(set) var tokens: [JSONToken] = []
    private var open: [(token: Int, members: Int)] = []
    private var keys = KeySet()
    /// Whether the last value scanned has white space between its tokens.
    private(set) var hasBlanks = false
    /// The first thing in the last text scanned that is JSON but cannot be stored.
    private(set) var unstorable: JSONError?
    /// Digits that a record's numbers have written out, and had not as sent: `1e999` has 1,000 for its five characters.
    var expansion = 0

    package init() {
        open.reserveCapacity(Self.maximumDepth)
    }

    /// Scans one JSON value with white space around it.
    ///
    /// Throws the first thing that makes it no JSON, or, when there is none, the first that cannot be stored.
    package mutating func scan(_ bytes: Span<UInt8>) throws(JSONError) {
        let end = try scanValue(bytes, from: 0)
        let last = Self.skipWhiteSpace(bytes, from: end)
        guard last == bytes.count else { throw JSONError(.trailingBytes, at: last) }
        if let unstorable { throw unstorable }
    }

    package mutating func scan(_ bytes: [UInt8]) throws(JSONError) {
        try scan(bytes.span)
    }

    func kind(of index: Int) -> JSONToken.Kind { tokens[index].kind }

    mutating func mark(_ index: Int, _ mark: JSONToken.Mark) { tokens[index].mark = mark }

    mutating func append(_ token: JSONToken) { tokens.append(token) }

    /// The first such finding is thrown once the rest has been seen to be JSON.
    mutating func note(_ error: JSONError) { unstorable = unstorable ?? error }

    static func skipWhiteSpace(_ bytes: Span<UInt8>, from start: Int) -> Int {
        var at = start
        while at < bytes.count, bytes[at].isJSONWhiteSpace { at += 1 }
        return at
    }

    private mutating func skipBlanks(_ bytes: Span<UInt8>, from start: Int) -> Int {
        guard start < bytes.count, bytes[start].isJSONWhiteSpace else { return start }
        hasBlanks = true
        return Self.skipWhiteSpace(bytes, from: start + 1)
    }

    /// Scans the first value at or after `start`, returns the offset after it. Does not throw what it noted as unstorable.
    mutating func scanValue(_ bytes: Span<UInt8>, from start: Int) throws(JSONError) -> Int {
        tokens.removeAll(keepingCapacity: true)
        open.removeAll(keepingCapacity: true)
        unstorable = nil
        expansion = 0
        hasBlanks = false
        guard bytes.count < Int(UInt32.max) else { throw JSONError(.tooLarge, at: 0) }
        var at = Self.skipWhiteSpace(bytes, from: start)
        guard at < bytes.count else { throw JSONError(.empty, at: at) }
        if bytes.count - at >= 3, bytes[at] == 0xEF, bytes[at + 1] == 0xBB, bytes[at + 2] == 0xBF {
            throw JSONError(.byteOrderMark, at: at)
        }
        while true {
            var isComplete = true
            at = skipBlanks(bytes, from: at)
            guard at < bytes.count else { throw JSONError(.unexpectedEnd, at: at) }
            switch bytes[at] {
            case UInt8(ascii: "{"):
                at = try openContainer(.object, bytes, at: at)
                if at < bytes.count, bytes[at] == UInt8(ascii: "}") {
                    at += 1
                    try closeContainer(bytes, end: at)
                } else {
                    at = try scanKey(bytes, at: at)
                    isComplete = false
                }
            case UInt8(ascii: "["):
                at = try openContainer(.array, bytes, at: at)
                if at < bytes.count, bytes[at] == UInt8(ascii: "]") {
                    at += 1
                    try closeContainer(bytes, end: at)
                } else {
                    isComplete = false
                }
            case UInt8(ascii: "\""): at = try scanString(bytes, at: at)
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): at = try scanNumber(bytes, at: at)
            case UInt8(ascii: "t"): at = try scanLiteral("true", .true, bytes, at: at)
            case UInt8(ascii: "f"): at = try scanLiteral("false", .false, bytes, at: at)
            case UInt8(ascii: "n"): at = try scanLiteral("null", .null, bytes, at: at)
            default: throw JSONError(.unexpectedByte, at: at)
            }
            while isComplete {
                guard let container = open.last else { return at }
                (at, isComplete) = try scanAfterValue(in: container.token, bytes, at: at)
            }
        }
    }

    /// What follows a value inside a container: a comma (with, in an object, the next key), or the container's end.
    private mutating func scanAfterValue(in container: Int, _ bytes: Span<UInt8>, at start: Int) throws(JSONError) -> (Int, Bool) {
        let at = skipBlanks(bytes, from: start)
        guard at < bytes.count else { throw JSONError(.unexpectedEnd, at: at) }
        let isObject = tokens[container].kind == .object
        switch bytes[at] {
        case UInt8(ascii: ","):
            guard isObject else { return (at + 1, false) }
            return (try scanKey(bytes, at: skipBlanks(bytes, from: at + 1)), false)
        case UInt8(ascii: "}") where isObject, UInt8(ascii: "]") where !isObject:
            try closeContainer(bytes, end: at + 1)
            return (at + 1, true)
        default:
            throw JSONError(.unexpectedByte, at: at)
        }
    }

    private mutating func openContainer(_ kind: JSONToken.Kind, _ bytes: Span<UInt8>, at: Int) throws(JSONError) -> Int {
        guard open.count < Self.maximumDepth else { throw JSONError(.tooDeep, at: at) }
        open.append((tokens.count, 0))
        append(JSONToken(kind, start: at, end: at + 1, next: tokens.count + 1))
        return skipBlanks(bytes, from: at + 1)
    }

    private mutating func closeContainer(_ bytes: Span<UInt8>, end: Int) throws(JSONError) {
        guard let (container, members) = open.popLast() else { return }
        tokens[container].end = end
        tokens[container].next = tokens.count
        if members > 1, let twice = keys.firstDuplicate(ofObject: container, members: members, tokens: tokens, bytes) {
            throw JSONError(.duplicateKey, at: tokens[twice].start)
        }
    }

    /// A key and the colon after it.
    private mutating func scanKey(_ bytes: Span<UInt8>, at start: Int) throws(JSONError) -> Int {
        guard start < bytes.count else { throw JSONError(.unexpectedEnd, at: start) }
        guard bytes[start] == UInt8(ascii: "\"") else { throw JSONError(.unexpectedByte, at: start) }
        if !open.isEmpty { open[open.count - 1].members += 1 }
        let at = skipBlanks(bytes, from: try scanString(bytes, at: start))
        guard at < bytes.count else { throw JSONError(.unexpectedEnd, at: at) }
        guard bytes[at] == UInt8(ascii: ":") else { throw JSONError(.unexpectedByte, at: at) }
        return at + 1
    }

    private mutating func scanLiteral(
        _ text: StaticString,
        _ kind: JSONToken.Kind,
        _ bytes: Span<UInt8>,
        at start: Int
    ) throws(JSONError) -> Int {
        for place in 0..<text.utf8CodeUnitCount {
            guard start + place < bytes.count else { throw JSONError(.unexpectedEnd, at: bytes.count) }
            guard bytes[start + place] == text.utf8Start[place] else { throw JSONError(.unexpectedByte, at: start + place) }
        }
        let end = start + text.utf8CodeUnitCount
        append(JSONToken(kind, start: start, end: end, next: tokens.count + 1))
        return end
    }
}

extension UInt8 {
    var isJSONWhiteSpace: Bool { self == 0x20 || self == 0x0A || self == 0x0D || self == 0x09 }
    var isASCIIDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }
    /// The value of a hexadecimal digit.
    var hexValue: UInt32? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(self - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(self - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(self - UInt8(ascii: "A") + 10)
        default: nil
        }
    }
}
