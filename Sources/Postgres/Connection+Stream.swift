import CLibPQ
import Glibc

extension Connection {
    /// Runs a query in a read-only transaction of its own and hands over row after row as they come, at constant memory: the server waits
    /// while a row is being taken.
    ///
    /// All from BEGIN to COMMIT goes out at once, `preamble` (settings such as `SET LOCAL`) before the query. `take` runs on the
    /// connection's thread, so that no row costs a switch of threads. When it throws, the query is cancelled and its error rethrown; the
    /// connection is usable again, or closed.
    ///
    /// - Parameters:
    ///   - patience: the longest wait for the server to send the next row.
    ///   - deadline: for all rows together; nil: none.
    package func forEachRow(
        _ query: Query,
        preamble: [Query] = [],
        patience: Duration,
        deadline: ContinuousClock.Instant? = nil,
        _ take: @Sendable (Row) throws -> Void
    ) async throws {
        let monitor = monitor
        try await withTaskCancellationHandler {
            try self.stream(preamble + [query], patience, deadline, take)
        } onCancel: {
            monitor.wake()
        }
    }

    /// The last query's rows are taken, those of the others are not looked at.
    private func stream(
        _ queries: [Query],
        _ patience: Duration,
        _ deadline: ContinuousClock.Instant?,
        _ take: (Row) throws -> Void
    ) throws {
        let next = { min(ContinuousClock.now + patience, deadline ?? ContinuousClock.now + patience) }
        let (connection, steps) = try enterPipeline(queries, .readOnly, [], next())
        var exchange = Exchange(isPipeline: true)
        do {
            while !exchange.isComplete {
                try awaitResult(connection, next())
                guard let result = PQgetResult(connection) else {
                    guard PQstatus(connection) == CONNECTION_OK else { throw exchange.lost(connection) }
                    // All steps before the query are answered, and none of its rows has been taken yet.
                    if exchange.replies.count == steps.count - 2, exchange.error == nil, PQsetSingleRowMode(connection) != 1 {
                        throw sendFailure(connection)
                    }
                    continue
                }
                let handle = ResultHandle(result)
                if handle.status == PGRES_SINGLE_TUPLE {
                    try take(Row(handle: handle, index: 0))
                } else {
                    try exchange.take(handle, connection)
                }
            }
        } catch {
            // What is lost behind COMMIT's reply was not waited for.
            let isAnswered = exchange.replies.count >= steps.count
            abandon(&exchange)
            rememberPrepared(exchange, steps)
            leavePipeline()
            guard isAnswered else { throw error }
        }
        leavePipeline()
        if let doubt = try judge(exchange, steps, nil).doubt { throw doubt }
    }
}
