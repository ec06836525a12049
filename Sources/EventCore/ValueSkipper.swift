/// Finds the end of a JSON value by its brackets and quotes alone, in pieces: for a record that is refused already.
struct ValueSkipper: Sendable {
    enum Progress {
        /// Offset after the value.
        case end(Int)
        case more
        /// Offset of a line break inside a string: the quotes cannot be trusted.
        case broken(Int)
    }

    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private var isScalar = false

    /// Whether a body may end here: a bare number or literal has no other end.
    var canEnd: Bool { isScalar }

    mutating func skip(_ bytes: Span<UInt8>, from start: Int) -> Progress {
        var at = start
        while at < bytes.count {
            let byte = bytes[at]
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                    if depth == 0 { return .end(at + 1) }
                }
                if byte == 0x0A { return .broken(at) }
            } else {
                switch byte {
                case UInt8(ascii: "\""), UInt8(ascii: "{"), UInt8(ascii: "["):
                    if isScalar { return .end(at) }
                    if byte == UInt8(ascii: "\"") { isInString = true } else { depth += 1 }
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    if depth == 0 { return .end(at) }
                    depth -= 1
                    if depth == 0 { return .end(at + 1) }
                default:
                    if depth > 0 { break }
                    if byte.isJSONWhiteSpace || byte == UInt8(ascii: ",") { return .end(at) }
                    isScalar = true
                }
            }
            at += 1
        }
        return .more
    }
}
