import CLibPQ

package enum TransactionMode: Sendable {
    case readWrite
    case readOnly
    /// REPEATABLE READ, READ ONLY: every statement sees the same moment.
    case readOnlySnapshot

    var beginSQL: String {
        switch self {
        case .readWrite: "BEGIN READ WRITE"
        case .readOnly: "BEGIN READ ONLY"
        case .readOnlySnapshot: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        }
    }
}

extension Connection {
    /// Runs the body between BEGIN and COMMIT, on the connection's own thread.
    ///
    /// The body is synchronous: nothing can suspend inside a transaction. It rolls back when the body throws, and returns
    /// only when COMMIT's tag says COMMIT. Errors: the body's; `.notCommitted` when the transaction was already aborted;
    /// `.outcomeUnknown` when the connection was lost, or had to be closed, after COMMIT was sent. No wait inside it
    /// goes beyond `deadline`.
    package func transaction<T: Sendable>(
        _ mode: TransactionMode = .readWrite,
        deadline: ContinuousClock.Instant,
        _ body: @Sendable (isolated Connection) throws -> T
    ) async throws -> T {
        let monitor = monitor
        return try await withTaskCancellationHandler {
            try self.runTransaction(mode, deadline, body)
        } onCancel: {
            monitor.wake()
        }
    }

    private func runTransaction<T: Sendable>(
        _ mode: TransactionMode,
        _ deadline: ContinuousClock.Instant,
        _ body: (isolated Connection) throws -> T
    ) throws -> T {
        try beginTransaction(mode, deadline)
        transactionDeadline = deadline
        let value: T
        do {
            value = try body(self)
        } catch {
            transactionDeadline = nil
            rollBack()
            throw error
        }
        transactionDeadline = nil
        try commit(deadline)
        return value
    }

    func beginTransaction(_ mode: TransactionMode, _ deadline: ContinuousClock.Instant) throws(PostgresError) {
        let connection = try begin(deadline)
        guard PQtransactionStatus(connection) == PQTRANS_IDLE else {
            throw PostgresError(.connectionBusy, "a transaction is open")
        }
        do throws(PostgresError) {
            try runScript([mode.beginSQL, statementTimeoutSQL].compactMap { $0 }.joined(separator: "; "), deadline)
        } catch {
            rollBack()
            throw error
        }
    }

    var statementTimeoutSQL: String? {
        configuration.serverStatementTimeout.map { timeout in
            let (seconds, attoseconds) = timeout.components
            // 0 would mean none at all.
            let milliseconds = max(1, seconds * 1_000 + attoseconds / 1_000_000_000_000_000)
            return "SET LOCAL statement_timeout = \(min(milliseconds, Int64(Int32.max)))"
        }
    }

    func commit(_ deadline: ContinuousClock.Instant) throws(PostgresError) {
        let connection: OpaquePointer
        do throws(PostgresError) {
            connection = try begin(deadline)
            guard PQsendQuery(connection, "COMMIT") == 1 else { throw sendFailure(connection) }
        } catch {
            rollBack()
            throw error
        }
        monitor.status = .busy
        var exchange = Exchange()
        var failure: PostgresError?
        do throws(PostgresError) { try perform(&exchange, deadline) } catch { failure = error }
        try Self.judgeCommit(exchange, at: 0, failure)
    }

    /// Decides from what came back whether the transaction is committed.
    ///
    /// - Parameter index: which reply is COMMIT's.
    static func judgeCommit(_ exchange: Exchange, at index: Int, _ failure: PostgresError?) throws(PostgresError) {
        // What is said after COMMIT's reply (that the server is shutting down, say) is too late to undo it.
        if let error = exchange.error, exchange.errorIndex.map({ $0 <= index }) ?? true {
            // An ordinary error undoes the transaction, and a fatal one before COMMIT too; a fatal one in COMMIT may come
            // after its record was written.
            guard error.isFatal, exchange.errorIndex == index else { throw error }
            throw unknown(error)
        }
        guard exchange.replies.indices.contains(index) else {
            throw unknown(failure ?? PostgresError(.unexpectedResult, "COMMIT was not answered"))
        }
        let tag = exchange.replies[index].commandTag
        guard tag == "COMMIT" else {
            throw PostgresError(.notCommitted, "COMMIT was answered with \(tag)")
        }
    }

    private static func unknown(_ cause: PostgresError) -> PostgresError {
        PostgresError(.outcomeUnknown, "COMMIT was in flight: \(cause)", sqlState: cause.sqlState)
    }

    /// Leaves the transaction, within the grace; closes the session if that fails.
    func rollBack() {
        guard let connection = session?.pointer else { return }
        switch PQtransactionStatus(connection) {
        case PQTRANS_IDLE: return settle()
        case PQTRANS_INTRANS, PQTRANS_INERROR: break
        default: return closeNow()
        }
        let wasShielded = isShielded
        isShielded = true
        defer { isShielded = wasShielded }
        do throws(PostgresError) {
            try runScript("ROLLBACK", ContinuousClock.now + configuration.grace)
            guard PQtransactionStatus(connection) == PQTRANS_IDLE else { return closeNow() }
        } catch {
            closeNow()
        }
    }
}
