import CLibPQ
import Glibc

extension Connection {
    /// Runs a query and delivers its rows in batches, at constant memory: the server waits while a batch is being delivered.
    ///
    /// With a `preamble` (settings such as `SET LOCAL`), it and the query run in one transaction of `mode`, which is
    /// committed after the last row. Other calls on the connection meanwhile throw `.connectionBusy`. When `decode` or
    /// `deliver` throws, the query is cancelled and that error rethrown; the connection is usable again, or closed.
    ///
    /// - Parameter deadline: the longest wait for the server to fill one batch; delivering does not count.
    package func stream<T: Sendable>(
        _ query: Query,
        preamble: [Query] = [],
        mode: TransactionMode = .readOnly,
        batch: Int = 256,
        deadline: Duration,
        decode: @Sendable (Row) throws -> T,
        deliver: @Sendable ([T]) async throws -> Void
    ) async throws {
        precondition(batch > 0, "a batch holds at least one row")
        let monitor = monitor
        try await withTaskCancellationHandler {
            if preamble.isEmpty {
                return try await self.streamRows(query, batch, deadline, decode, deliver)
            }
            let start = ContinuousClock.now + deadline
            try self.beginTransaction(mode, start)
            do {
                for query in preamble { _ = try self.run(query, start) }
                try await self.streamRows(query, batch, deadline, decode, deliver)
            } catch {
                self.rollBack()
                throw error
            }
            try self.commit(ContinuousClock.now + deadline)
        } onCancel: {
            monitor.wake()
        }
    }

    private func streamRows<T: Sendable>(
        _ query: Query,
        _ batch: Int,
        _ patience: Duration,
        _ decode: (Row) throws -> T,
        _ deliver: @Sendable ([T]) async throws -> Void
    ) async throws {
        try start(query, ContinuousClock.now + patience)
        guard let connection = session?.pointer else { throw PostgresError.closedHere }
        guard PQsetSingleRowMode(connection) == 1 else { throw sendFailure(connection) }
        var exchange = Exchange()
        do {
            while !exchange.isComplete {
                let rows = try fill(batch, &exchange, ContinuousClock.now + patience, decode)
                guard !rows.isEmpty else { continue }
                isStreaming = true
                defer { isStreaming = false }
                try await deliver(rows)
            }
        } catch {
            abandon(&exchange)
            settle()
            throw error
        }
        settle()
        if let error = exchange.error { throw noted(error) }
    }

    private func fill<T>(
        _ batch: Int,
        _ exchange: inout Exchange,
        _ deadline: ContinuousClock.Instant,
        _ decode: (Row) throws -> T
    ) throws -> [T] {
        guard let connection = session?.pointer else { throw PostgresError.closedHere }
        var rows: [T] = []
        while rows.count < batch {
            try awaitResult(connection, deadline)
            guard let result = PQgetResult(connection) else {
                exchange.isComplete = true
                break
            }
            let handle = ResultHandle(result)
            if handle.status == PGRES_SINGLE_TUPLE {
                rows.append(try decode(Row(handle: handle, index: 0)))
            } else {
                try exchange.take(handle, connection)
            }
        }
        return rows
    }
}
