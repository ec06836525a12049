import CLibPQ

extension Connection {
    /// Runs one statement and returns its rows.
    ///
    /// Errors: `.server` and any of the connection's. On the deadline or cancellation the statement is cancelled; one that
    /// ends just in time is reported as what it was.
    package func execute(
        _ query: Query,
        deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> ResultSet {
        try await interruptible { connection throws(PostgresError) in try connection.run(query, deadline) }
    }

    package func execute<S: QueryStatement>(
        _ statement: S,
        deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [S.Output] {
        try await execute(statement.query, deadline: deadline).decode(S.self)
    }

    /// Runs many statements in one simple-protocol message; without a BEGIN in it, that is one implicit transaction.
    package func executeScript(_ sql: String, deadline: ContinuousClock.Instant) async throws(PostgresError) {
        try await interruptible { connection throws(PostgresError) in _ = try connection.runScript(sql, deadline) }
    }
}

/// For a transaction's body, which is already on the connection's thread.
extension Connection {
    package func execute(_ query: Query, deadline: ContinuousClock.Instant) throws(PostgresError) -> ResultSet {
        try run(query, deadline)
    }

    package func execute<S: QueryStatement>(
        _ statement: S,
        deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> [S.Output] {
        try run(statement.query, deadline).decode(S.self)
    }

    package func executeScript(_ sql: String, deadline: ContinuousClock.Instant) throws(PostgresError) {
        _ = try runScript(sql, deadline)
    }
}

extension Connection {
    func run(_ query: Query, _ deadline: ContinuousClock.Instant) throws(PostgresError) -> ResultSet {
        try start(query, deadline)
        var exchange = Exchange()
        try perform(&exchange, deadline)
        return ResultSet(try soleReply(of: exchange))
    }

    /// Sends a query, preparing it first if it has a name that is not prepared yet.
    func start(_ query: Query, _ deadline: ContinuousClock.Instant) throws(PostgresError) {
        let connection = try begin(deadline)
        var choice = choose(query)
        if case .prepare(let name) = choice {
            guard send(prepare: query, as: name, connection) else { throw sendFailure(connection) }
            var exchange = Exchange()
            try perform(&exchange, deadline)
            _ = try soleReply(of: exchange)
            prepared.remember(query)
            choice = .ready(name)
        }
        monitor.status = .busy
        guard try send(query, choice, connection) else { throw sendFailure(connection) }
    }

    func choose(_ query: Query, also pending: [String: Query] = [:]) -> PreparedStatements.Choice {
        usesNamedStatements ? prepared.choose(query, also: pending) : .unnamed
    }

    func send(prepare query: Query, as name: String, _ connection: OpaquePointer) -> Bool {
        query.bindings.types.withUnsafeBufferPointer {
            PQsendPrepare(connection, name, query.sql, Int32($0.count), $0.baseAddress) == 1
        }
    }

    func send(
        _ query: Query,
        _ choice: PreparedStatements.Choice,
        _ connection: OpaquePointer
    ) throws(PostgresError) -> Bool {
        switch choice {
        case .ready(let name), .prepare(let name):
            try query.bindings.send {
                PQsendQueryPrepared(connection, name, $0.count, $0.values, $0.lengths, $0.formats, 1)
            }
        case .unnamed:
            try query.bindings.send {
                PQsendQueryParams(connection, query.sql, $0.count, $0.types, $0.values, $0.lengths, $0.formats, 1)
            }
        }
    }

    /// All replies of a script that ran through.
    @discardableResult
    func runScript(_ sql: String, _ deadline: ContinuousClock.Instant) throws(PostgresError) -> [ResultHandle] {
        let connection = try begin(deadline)
        monitor.status = .busy
        guard PQsendQuery(connection, sql) == 1 else { throw sendFailure(connection) }
        var exchange = Exchange()
        try perform(&exchange, deadline)
        if let error = exchange.error { throw noted(error) }
        return exchange.replies
    }

    func soleReply(of exchange: Exchange) throws(PostgresError) -> ResultHandle {
        if let error = exchange.error { throw noted(error) }
        guard exchange.replies.count == 1, let reply = exchange.replies.first else {
            throw PostgresError(.unexpectedResult, "expected one result, found \(exchange.replies.count)")
        }
        return reply
    }

    /// Lets the session's own state learn from an error that is about to be thrown.
    func noted(_ error: PostgresError) -> PostgresError {
        if error.isStaleStatement { prepared.forget() }
        return error
    }
}
