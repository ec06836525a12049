/// Why a submission was not stored, or not as far as anybody knows. What was stored of it is a duplicate when it comes again.
package struct EngineError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Code: Sendable, Hashable {
        /// As many records wait as may, of all tenants or of this one.
        case queueFull
        /// The submission's deadline passed.
        case deadlinePassed
        /// PostgreSQL does not store anything now.
        case unavailable
        /// Another transaction holds a record's row, and does not end.
        case held
        /// The reply to COMMIT was lost, and nobody can tell any more whether these rows were new.
        case outcomeUnknown
        /// The lanes take no more.
        case stopping
    }

    package let code: Code
    /// Safe to log: no value, no server text.
    package let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

extension EngineError {
    static let queueFull = EngineError(.queueFull, "as many records wait as may")
    static let held = EngineError(.held, "another transaction holds the row of one of the records, and does not end")
    static let deadlinePassed = EngineError(.deadlinePassed, "the records could not be stored by the deadline")
    static let stopping = EngineError(.stopping, "the lanes are stopping")
}
