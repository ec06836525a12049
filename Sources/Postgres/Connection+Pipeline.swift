import CLibPQ

extension Connection {
    /// Runs the queries as one transaction in one round trip: BEGIN to COMMIT and one Sync leave together.
    ///
    /// Returns the queries' results, in order, only when COMMIT's tag says COMMIT. Errors: the first `.server` error, after
    /// which nothing is committed and the connection is usable; `.notCommitted`; `.outcomeUnknown` when the connection was
    /// lost, or had to be closed on the deadline or cancellation, with COMMIT sent and unanswered.
    package func transaction(
        _ queries: [Query],
        mode: TransactionMode = .readWrite,
        deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [ResultSet] {
        try await interruptible { connection throws(PostgresError) in
            try connection.runPipeline(queries, mode, deadline)
        }
    }

    private enum Step {
        case command
        case prepare(Query)
        case query
    }

    private func runPipeline(
        _ queries: [Query],
        _ mode: TransactionMode,
        _ deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> [ResultSet] {
        let connection = try begin(deadline)
        guard PQtransactionStatus(connection) == PQTRANS_IDLE else {
            throw PostgresError(.connectionBusy, "a transaction is open")
        }
        guard PQenterPipelineMode(connection) == 1 else { throw sendFailure(connection) }
        monitor.status = .busy
        let steps: [Step]
        do throws(PostgresError) {
            steps = try queue(queries, mode, connection)
        } catch {
            // What is queued cannot be taken back, only dropped with the session; COMMIT is not part of it.
            closeNow()
            throw error
        }
        var exchange = Exchange(isPipeline: true)
        var failure: PostgresError?
        do throws(PostgresError) { try perform(&exchange, deadline) } catch { failure = error }
        leavePipeline()
        return try judge(exchange, steps, failure)
    }

    private func queue(
        _ queries: [Query],
        _ mode: TransactionMode,
        _ connection: OpaquePointer
    ) throws(PostgresError) -> [Step] {
        var steps: [Step] = []
        var pending: [String: Query] = [:]
        for sql in [mode.beginSQL, statementTimeoutSQL].compactMap(\.self) {
            guard try send(Query(sql), .unnamed, connection) else { throw sendFailure(connection) }
            steps.append(.command)
        }
        for query in queries {
            let choice = choose(query, also: pending)
            if case .prepare(let serverName) = choice, let name = query.name {
                guard send(prepare: query, as: serverName, connection) else { throw sendFailure(connection) }
                steps.append(.prepare(query))
                pending[name] = query
            }
            guard try send(query, choice, connection) else { throw sendFailure(connection) }
            steps.append(.query)
        }
        guard try send(Query("COMMIT"), .unnamed, connection), PQpipelineSync(connection) == 1 else {
            throw sendFailure(connection)
        }
        steps.append(.command)
        return steps
    }

    private func leavePipeline() {
        guard let connection = session?.pointer else { return }
        guard PQexitPipelineMode(connection) == 1 else { return closeNow() }
        rollBack()
    }

    private func judge(
        _ exchange: Exchange,
        _ steps: [Step],
        _ failure: PostgresError?
    ) throws(PostgresError) -> [ResultSet] {
        var results: [ResultSet] = []
        for (step, reply) in zip(steps, exchange.replies) {
            switch step {
            case .command: break
            case .prepare(let query): if reply.status == PGRES_COMMAND_OK { prepared.remember(query) }
            case .query: results.append(ResultSet(reply))
            }
        }
        if let error = exchange.error, error.isStaleStatement { prepared.forget() }
        // Seen to be impossible, so nothing was committed; the caller's reason says more than the server's.
        if exchange.error?.sqlState == .queryCanceled, let failure { throw failure }
        try Self.judgeCommit(exchange, at: steps.count - 1, failure)
        return results
    }
}
