import CLibPQ

/// Whether statements are prepared under a name and kept for the session.
package enum StatementNames: Sendable, Equatable {
    /// Named, unless the backend's own process id differs from the one the connection was told: then a pooler such as
    /// PgBouncer is in between, and the next statement may meet another backend.
    case auto
    case named
    case unnamed
}

/// Where the database is and how to speak to it.
///
/// `description` never holds the password.
package struct ConnectionConfiguration: Sendable {
    /// In libpq's order: a later value of the same keyword wins.
    let parameters: [(keyword: String, value: String)]
    package let statementNames: StatementNames
    /// SET LOCAL statement_timeout of every transaction; never sent at start-up, which PgBouncer refuses.
    package let serverStatementTimeout: Duration?
    /// How long past a deadline or cancellation the server may take to answer a cancel request, or to roll back, before the
    /// session is closed.
    package let grace: Duration

    /// Reads a `postgres://` URL or a `key=value` string; every libpq keyword works, `sslmode` included.
    ///
    /// Keepalives and `tcp_user_timeout` (10 s) are on unless the URL sets them. `connect_timeout` is without effect: the
    /// caller's deadline rules. The error never echoes the URL.
    package init(
        url: String,
        applicationName: String = "sluice",
        statementNames: StatementNames = .auto,
        serverStatementTimeout: Duration? = nil,
        grace: Duration = .milliseconds(250)
    ) throws(PostgresError) {
        guard !url.isEmpty, !url.utf8.contains(0) else {
            throw PostgresError(.invalidConfiguration, "the database address is empty")
        }
        // libpq's own message quotes the address, password and all; it is dropped.
        guard let parsed = PQconninfoParse(url, nil) else {
            throw PostgresError(.invalidConfiguration, "the database address is not a PostgreSQL URL or key=value string")
        }
        defer { PQconninfoFree(parsed) }
        var given: [(keyword: String, value: String)] = []
        var option = parsed
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { given.append((String(cString: keyword), String(cString: value))) }
            option += 1
        }
        parameters =
            [
                ("application_name", applicationName), ("keepalives", "1"), ("keepalives_idle", "10"),
                ("keepalives_interval", "3"), ("keepalives_count", "3"), ("tcp_user_timeout", "10000"),
            ] + given + [("client_encoding", "UTF8")]
        self.statementNames = statementNames
        self.serverStatementTimeout = serverStatementTimeout
        self.grace = grace
    }

    /// The last value given for a libpq keyword; nil for the password.
    package func value(of keyword: String) -> String? {
        guard keyword != "password", keyword != "sslpassword" else { return nil }
        return parameters.last { $0.keyword == keyword }?.value
    }
}

extension ConnectionConfiguration: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String {
        let shown = ["host", "hostaddr", "port", "dbname", "user", "sslmode"].compactMap { keyword in
            value(of: keyword).map { "\(keyword)=\($0)" }
        }
        return "ConnectionConfiguration(\(shown.joined(separator: " ")))"
    }

    package var debugDescription: String { description }

    /// Keeps `dump` and test failures from showing the password.
    package var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
