/// What went wrong with PostgreSQL, or on the way to it.
///
/// `description` is safe to log: no bound value, no detail, no server text but for connection problems, never a
/// password or URL. `debugDescription` has everything the server said and is for a developer's eyes only.
package struct PostgresError: Error, Sendable {
    package enum Code: Hashable, Sendable {
        /// The URL or a setting cannot be used.
        case invalidConfiguration
        /// No session could be made.
        case connectionFailed
        /// The session ended under the request, or had ended before.
        case connectionLost
        /// The session is in the middle of something else: a stream, or a transaction.
        case connectionBusy
        /// The caller's deadline passed.
        case deadlineExceeded
        /// The caller's task was cancelled.
        case cancelled
        /// No connection came free before the caller's deadline.
        case poolTimeout
        /// The pool is closing or closed.
        case poolClosed
        /// The server refused the statement.
        case server(SQLState)
        /// A parameter cannot be sent: too long, or too many.
        case encoding
        /// A value is not what the caller asked for.
        case decoding
        /// The server's answer is of another kind than the request's.
        case unexpectedResult
        /// COMMIT was answered with another tag than COMMIT: the transaction is rolled back.
        case notCommitted
        /// The session was lost while COMMIT was in flight: nobody here knows whether it happened.
        case outcomeUnknown
    }

    package var code: Code
    package var message: String
    package var detail: String?
    package var hint: String?
    package var schema: String?
    package var table: String?
    package var column: String?
    package var constraint: String?
    /// One-based position in the statement's text, in characters.
    package var position: Int?
    package var sqlState: SQLState?
    /// The server ended the session with this error.
    var isFatal = false
    /// The server no longer knows the prepared statement as we do; the next try prepares it anew.
    var isStaleStatement = false

    package init(_ code: Code, _ message: String, sqlState: SQLState? = nil) {
        self.code = code
        self.message = message
        self.sqlState = sqlState
        if case .server(let state) = code { self.sqlState = state }
    }

    /// Worth trying again, on another connection or a little later: nothing was committed, and the cause may pass.
    ///
    /// `.outcomeUnknown` is not transient: ask `pg_xact_status()` first. Deadlines and cancellations are the caller's own.
    package var isTransient: Bool {
        switch code {
        case .connectionLost, .poolTimeout: true
        case .connectionFailed: sqlState.map { $0.classCode != "28" && $0 != .invalidCatalogName } ?? true
        case .server(let state): isStaleStatement || Self.isTransient(state)
        case .invalidConfiguration, .connectionBusy, .deadlineExceeded, .cancelled, .poolClosed, .encoding, .decoding,
            .unexpectedResult, .notCommitted, .outcomeUnknown:
            false
        }
    }

    /// The time that was given for it was over, here or in the server.
    package var isOutOfTime: Bool { code == .deadlineExceeded || sqlState == .queryCanceled }

    private static func isTransient(_ state: SQLState) -> Bool {
        switch state {
        case .serializationFailure, .deadlockDetected, .lockNotAvailable, .idleInTransactionTimeout: true
        default: state.isConnectionClass || state.classCode == "53"
        }
    }
}

extension PostgresError: CustomStringConvertible, CustomDebugStringConvertible {
    package var description: String {
        switch code {
        case .server(let state):
            return "the server refused the statement (SQLSTATE \(state))"
        default:
            let state = sqlState.map { " (SQLSTATE \($0))" } ?? ""
            return "\(code)\(state): \(message)"
        }
    }

    package var debugDescription: String {
        var parts = ["\(code)", message]
        if let sqlState { parts.append("SQLSTATE \(sqlState)") }
        for (name, value) in [
            ("detail", detail), ("hint", hint), ("schema", schema), ("table", table), ("column", column),
            ("constraint", constraint), ("position", position.map(String.init)),
        ] {
            if let value { parts.append("\(name): \(value)") }
        }
        return parts.joined(separator: "; ")
    }
}

extension PostgresError {
    static func decoding(_ message: String) -> PostgresError { PostgresError(.decoding, message) }
    static let closedHere = PostgresError(.connectionLost, "the connection is closed")
    static let cancelled = PostgresError(.cancelled, "the task was cancelled")
    static let deadlineExceeded = PostgresError(.deadlineExceeded, "the deadline passed")
}
