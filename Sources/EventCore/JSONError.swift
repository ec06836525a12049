/// Why a byte range is refused as JSON. It never carries the bytes themselves.
package struct JSONError: Error, Hashable, Sendable {
    package enum Code: String, Hashable, Sendable, CaseIterable {
        // Malformed: not JSON as RFC 8259 and we want it.
        case empty
        case byteOrderMark
        case unexpectedByte
        case unexpectedEnd
        case trailingBytes
        case invalidUTF8
        case controlCharacter
        case invalidEscape
        case loneSurrogate
        case invalidNumber
        case duplicateKey
        case tooDeep
        case tooLarge
        // Unstorable: JSON, but PostgreSQL's jsonb cannot hold it.
        case nulCharacter
        case numberOutOfRange
    }

    package let code: Code
    /// Byte offset of the first byte at fault, from the start of the input.
    package let offset: Int

    package init(_ code: Code, at offset: Int) {
        self.code = code
        self.offset = offset
    }

    /// False for what is JSON but cannot be stored.
    package var isMalformed: Bool {
        switch code {
        case .nulCharacter, .numberOutOfRange: false
        default: true
        }
    }
}
