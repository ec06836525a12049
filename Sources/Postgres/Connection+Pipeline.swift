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

    private func runPipeline(
        _ queries: [Query],
        _ mode: TransactionMode,
        _ flushingAfter: Set<Int>,
        _ deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> TransactionAttempt {
        let (_, steps) = try enterPipeline(queries, mode, flushingAfter, deadline)
        var exchange = Exchange(isPipeline: true)
        var failure: PostgresError?
        do throws(PostgresError) { try perform(&exchange, deadline) } catch { failure = error }
        leavePipeline()
        return try judge(exchange, steps, failure)
    }

    /// Queues all from BEGIN to COMMIT, and says which replies are to come.
    func enterPipeline(
        _ queries: [Query],
        _ mode: TransactionMode,
        _ flushingAfter: Set<Int>,
        _ deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> (connection: OpaquePointer, steps: [PipelineStep]) {
        let connection = try begin(deadline)
        guard PQtransactionStatus(connection) == PQTRANS_IDLE else {
            throw PostgresError(.connectionBusy, "a transaction is open")
        }
        guard PQenterPipelineMode(connection) == 1 else { throw sendFailure(connection) }
        monitor.status = .busy
        do throws(PostgresError) {
            return (connection, try queue(queries, mode, flushingAfter, connection))
        } catch {
            // What is queued cannot be taken back, only dropped with the session; COMMIT is not part of it.
            closeNow()
            throw error
        }
    }

    private func queue(
        _ queries: [Query],
        _ mode: TransactionMode,
        _ flushingAfter: Set<Int>,
        _ connection: OpaquePointer
    ) throws(PostgresError) -> [PipelineStep] {
        var steps: [PipelineStep] = []
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

    func leavePipeline() {
        guard let connection = session?.pointer else { return }
        guard PQexitPipelineMode(connection) == 1 else { return closeNow() }
        rollBack()
    }

    /// What the replies mean, now that there are no more.
    func judge(
        _ exchange: Exchange,
        _ steps: [PipelineStep],
        _ failure: PostgresError?
    ) throws(PostgresError) -> TransactionAttempt {
        rememberPrepared(exchange, steps)
        let results = zip(steps, exchange.replies).compactMap { step, reply in
            if case .query = step { ResultSet(reply) } else { nil }
        }
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

    /// Names outlive the transaction that made them, committed or not.
    func rememberPrepared(_ exchange: Exchange, _ steps: [PipelineStep]) {
        for case (.prepare(let query), let reply) in zip(steps, exchange.replies) where reply.status == PGRES_COMMAND_OK {
            prepared.remember(query)
        }
        if let error = exchange.error, error.isStaleStatement { prepared.forget() }
    }
}

/// What one reply of a pipeline answers.
enum PipelineStep {
    case command
    case prepare(Query)
    case query
}

/// A transaction whose COMMIT was sent.
package struct TransactionAttempt: Sendable {
    /// Of its queries, in order: all of them when it is committed, else those that arrived.
    package let results: [ResultSet]
    /// nil when it is committed; else why nobody here knows whether it is (`.outcomeUnknown`).
    package let doubt: PostgresError?
}
