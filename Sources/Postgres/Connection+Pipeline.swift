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
        let attempt = try await attemptTransaction(queries, mode: mode, flushingAfter: [], deadline: deadline)
        if let doubt = attempt.doubt { throw doubt }
        return attempt.results
    }

    /// As `transaction`, but where that throws `.outcomeUnknown` this returns what has arrived, for the caller to find out.
    ///
    /// - Parameter flushingAfter: the server sends what it has after each of these queries, so that their results are on
    ///   their way before the next query runs, COMMIT included.
    package func attemptTransaction(
        _ queries: [Query],
        mode: TransactionMode = .readWrite,
        flushingAfter: Set<Int>,
        deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> TransactionAttempt {
        try await interruptible { connection throws(PostgresError) in
            try connection.runPipeline(queries, mode, flushingAfter, deadline)
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
        _ flushingAfter: Set<Int>,
        _ deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> TransactionAttempt {
        let connection = try begin(deadline)
        guard PQtransactionStatus(connection) == PQTRANS_IDLE else {
            throw PostgresError(.connectionBusy, "a transaction is open")
        }
        guard PQenterPipelineMode(connection) == 1 else { throw sendFailure(connection) }
        monitor.status = .busy
        let steps: [Step]
        do throws(PostgresError) {
            steps = try queue(queries, mode, flushingAfter, connection)
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
        _ flushingAfter: Set<Int>,
        _ connection: OpaquePointer
    ) throws(PostgresError) -> [Step] {
        var steps: [Step] = []
        var pending: [String: Query] = [:]
        for sql in [mode.beginSQL, statementTimeoutSQL].compactMap(\.self) {
            guard try send(Query(sql), .unnamed, connection) else { throw sendFailure(connection) }
            steps.append(.command)
        }
        for (index, query) in queries.enumerated() {
            let choice = choose(query, also: pending)
            if case .prepare(let serverName) = choice, let name = query.name {
                guard send(prepare: query, as: serverName, connection) else { throw sendFailure(connection) }
                steps.append(.prepare(query))
                pending[name] = query
            }
            guard try send(query, choice, connection) else { throw sendFailure(connection) }
            steps.append(.query)
            if flushingAfter.contains(index), PQsendFlushRequest(connection) != 1 { throw sendFailure(connection) }
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
    ) throws(PostgresError) -> TransactionAttempt {
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
        do throws(PostgresError) {
            try Self.judgeCommit(exchange, at: steps.count - 1, failure)
            return TransactionAttempt(results: results, doubt: nil)
        } catch {
            guard error.code == .outcomeUnknown else { throw error }
            return TransactionAttempt(results: results, doubt: error)
        }
    }
}

/// A transaction whose COMMIT was sent.
package struct TransactionAttempt: Sendable {
    /// Of its queries, in order: all of them when it is committed, else those that arrived.
    package let results: [ResultSet]
    /// nil when it is committed; else why nobody here knows whether it is (`.outcomeUnknown`).
    package let doubt: PostgresError?
}
