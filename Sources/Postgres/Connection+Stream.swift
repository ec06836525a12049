import CLibPQ
import Glibc

extension Connection {
    /// Runs a query and hands over row after row as they come, at constant memory: the server waits while a row is being taken.
    ///
    /// With a `preamble` (settings such as `SET LOCAL`), it and the query run in one transaction of `mode`, which is
    /// committed after the last row. `take` runs on the connection's thread, so that no row costs a switch of threads. When it throws, the
    /// query is cancelled and its error rethrown; the connection is usable again, or closed.
    ///
    /// - Parameters:
    ///   - patience: the longest wait for the server to send the next row.
    ///   - deadline: for all rows together; nil: none.
    package func forEachRow(
        _ query: Query,
        preamble: [Query] = [],
        mode: TransactionMode = .readOnly,
        patience: Duration,
        deadline: ContinuousClock.Instant? = nil,
        _ take: @Sendable (Row) throws -> Void
    ) async throws {
        let monitor = monitor
        try await withTaskCancellationHandler {
            if preamble.isEmpty { return try self.stream(query, patience, deadline, take) }
            let start = ContinuousClock.now + patience
            try self.beginTransaction(mode, start)
            do {
                for query in preamble { _ = try self.run(query, start) }
                try self.stream(query, patience, deadline, take)
            } catch {
                self.rollBack()
                throw error
            }
            try self.commit(ContinuousClock.now + patience)
        } onCancel: {
            monitor.wake()
        }
    }

    private func stream(
        _ query: Query,
        _ patience: Duration,
        _ deadline: ContinuousClock.Instant?,
        _ take: (Row) throws -> Void
    ) throws {
        let next = { min(ContinuousClock.now + patience, deadline ?? ContinuousClock.now + patience) }
        try start(query, next())
        guard let connection = session?.pointer else { throw PostgresError.closedHere }
        guard PQsetSingleRowMode(connection) == 1 else { throw sendFailure(connection) }
        var exchange = Exchange()
        do {
            while true {
                try awaitResult(connection, next())
                guard let result = PQgetResult(connection) else { break }
                let handle = ResultHandle(result)
                if handle.status == PGRES_SINGLE_TUPLE {
                    try take(Row(handle: handle, index: 0))
                } else {
                    try exchange.take(handle, connection)
                }
            }
        } catch {
            abandon(&exchange)
            settle()
            throw error
        }
        exchange.isComplete = true
        settle()
        if let error = exchange.error { throw noted(error) }
    }
}
