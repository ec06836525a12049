import CLibPQ

extension PostgresError {
    /// The error in a result, or nil for a result that libpq made up itself because the connection is gone.
    init?(result: OpaquePointer) {
        func field(_ code: UnicodeScalar) -> String? {
            PQresultErrorField(result, Int32(code.value)).map { String(cString: $0) }
        }
        // The letters are libpq's PG_DIAG_* (postgres_ext.h), which are character constants.
        guard let state = field("C") else { return nil }
        self.init(.server(SQLState(rawValue: state)), field("M") ?? "")
        detail = field("D")
        hint = field("H")
        schema = field("s")
        table = field("t")
        column = field("c")
        constraint = field("n")
        position = field("P").flatMap { Int($0) }
        let severity = field("V")
        isFatal = severity == "FATAL" || severity == "PANIC"
        isStaleStatement =
            sqlState == .invalidStatementName || sqlState == .duplicatePreparedStatement
            // "cached plan must not change result type" has no SQLSTATE of its own; the routine tells it apart.
            || (sqlState == .featureNotSupported && field("R") == "RevalidateCachedQuery")
        if isFatal { code = .connectionLost }
    }

    /// What libpq says about a connection that is gone or was never made.
    ///
    /// The message must come from a session at PQERRORS_VERBOSE to hold the server's SQLSTATE.
    static func connection(_ code: Code, libpqMessage text: String) -> PostgresError {
        var lines = text.split(whereSeparator: \.isNewline)
            .filter { !$0.hasPrefix("LOCATION:") }
            .map { trimmed($0) }
        var state: SQLState?
        for index in lines.indices {
            if let (found, rest) = splitState(lines[index]) {
                state = found
                lines[index] = rest
            }
        }
        return PostgresError(code, lines.isEmpty ? "no reason given" : lines.joined(separator: " "), sqlState: state)
    }

    private static func trimmed(_ line: Substring) -> String {
        var line = line.drop(while: \.isWhitespace)
        while line.last?.isWhitespace == true { line.removeLast() }
        return String(line)
    }

    /// "…FATAL:  28P01: text" is split into the state and "…FATAL: text".
    private static func splitState(_ line: String) -> (SQLState, String)? {
        let parts = line.split(separator: ":  ", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].utf8.count > 6 else { return nil }
        let state = parts[1].prefix(5)
        let isState = state.utf8.allSatisfy { (48...57).contains($0) || (65...90).contains($0) }
        guard isState, parts[1].dropFirst(5).hasPrefix(": ") else { return nil }
        return (SQLState(rawValue: String(state)), "\(parts[0]): \(parts[1].dropFirst(7))")
    }
}
