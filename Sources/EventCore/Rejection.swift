/// Why a record is not an event. Made to be shown: it names places, never what was sent there.
package struct Rejection: Error, Hashable, Sendable {
    /// Stable: senders and tests rely on the texts.
    package enum Code: String, Hashable, Sendable, CaseIterable {
        case notJSON = "not_json"
        case duplicateKey = "duplicate_key"
        case tooDeep = "too_deep"
        case emptyBody = "empty_body"
        case notAnObject = "not_an_object"
        case nulCharacter = "nul_character"
        case numberOutOfRange = "number_out_of_range"
        case missingField = "missing_field"
        case typeMismatch = "type_mismatch"
        case tooLarge = "too_large"
        case tooLong = "too_long"
        case tooShort = "too_short"
        case notInEnum = "not_in_enum"
        case patternMismatch = "pattern_mismatch"
        case tooCostly = "too_costly"
        case outOfRange = "out_of_range"
        case unknownField = "unknown_field"
        case timestampInvalid = "timestamp_invalid"
        case timestampOutOfRange = "timestamp_out_of_range"
        // Found by others on the way to the store.
        case unknownSource = "unknown_source"
        case idReused = "id_reused"
        case monthUnavailable = "month_unavailable"
        case unstorable
    }

    package let code: Code
    /// JSON Pointer (RFC 6901) to the member at fault, where one is.
    package let pointer: String?
    package let detail: String

    package init(_ code: Code, pointer: String? = nil, _ detail: String) {
        self.code = code
        self.pointer = pointer
        self.detail = detail
    }

    /// True for what is not JSON at all (400), false for JSON that is not acceptable (422).
    package var isMalformed: Bool {
        switch code {
        case .notJSON, .duplicateKey, .tooDeep: true
        default: false
        }
    }
}

extension Rejection {
    package init(_ error: JSONError) {
        switch error.code {
        case .empty: self.init(.emptyBody, "there is no JSON here")
        case .duplicateKey: self.init(.duplicateKey, "an object has a key twice, at byte \(error.offset)")
        case .tooDeep: self.init(.tooDeep, "nested deeper than \(JSONTape.maximumDepth), at byte \(error.offset)")
        case .nulCharacter: self.init(.nulCharacter, "a string holds the NUL character, at byte \(error.offset)")
        case .numberOutOfRange:
            self.init(.numberOutOfRange, "a number, or all together, have too many digits when written out, at byte \(error.offset)")
        case .byteOrderMark: self.init(.notJSON, "the text starts with a byte order mark")
        case .unexpectedByte: self.init(.notJSON, "unexpected character at byte \(error.offset)")
        case .unexpectedEnd: self.init(.notJSON, "the text ends too early, at byte \(error.offset)")
        case .trailingBytes: self.init(.notJSON, "more text after the JSON value, at byte \(error.offset)")
        case .invalidUTF8: self.init(.notJSON, "not UTF-8 at byte \(error.offset)")
        case .controlCharacter: self.init(.notJSON, "a control character in a string, at byte \(error.offset)")
        case .invalidEscape: self.init(.notJSON, "no such escape, at byte \(error.offset)")
        case .loneSurrogate: self.init(.notJSON, "half of a surrogate pair, at byte \(error.offset)")
        case .invalidNumber: self.init(.notJSON, "not a JSON number, at byte \(error.offset)")
        case .tooLarge: self.init(.notJSON, "larger than 4 GiB")
        }
    }
}
