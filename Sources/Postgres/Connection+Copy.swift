import CLibPQ
import Glibc

extension Connection {
    private static var chunkBytes: Int { 64 * 1024 }

    /// Runs a `COPY … TO STDOUT` and delivers its bytes in chunks of about 64 KiB, at constant memory.
    ///
    /// Errors: `.unexpectedResult` when the statement is no COPY out; as `stream` otherwise.
    ///
    /// - Parameter deadline: the longest wait for the server to fill one chunk; delivering does not count.
    package func copyOut(
        _ sql: String,
        deadline: Duration,
        deliver: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let monitor = monitor
        try await withTaskCancellationHandler {
            try await self.copyRows(sql, deadline, deliver)
        } onCancel: {
            monitor.wake()
        }
    }

    private func copyRows(
        _ sql: String,
        _ patience: Duration,
        _ deliver: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let connection = try begin(ContinuousClock.now + patience)
        monitor.status = .busy
        guard PQsendQuery(connection, sql) == 1 else { throw sendFailure(connection) }
        var exchange = Exchange()
        do {
            guard try startCopy(&exchange, ContinuousClock.now + patience) else {
                throw PostgresError(.unexpectedResult, "the statement is no COPY out")
            }
            var isAtEnd = false
            while !isAtEnd {
                let chunk: [UInt8]
                (chunk, isAtEnd) = try fillChunk(ContinuousClock.now + patience)
                guard !chunk.isEmpty else { continue }
                isStreaming = true
                defer { isStreaming = false }
                try await deliver(chunk)
            }
            try drive(&exchange, ContinuousClock.now + patience)
        } catch {
            abandon(&exchange)
            settle()
            throw exchange.error.map { $0.sqlState == .queryCanceled ? error : noted($0) } ?? error
        }
        settle()
        if let error = exchange.error { throw noted(error) }
    }

    /// False when the answer is something else, which is then read to its end.
    private func startCopy(
        _ exchange: inout Exchange,
        _ deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> Bool {
        guard let connection = session?.pointer else { throw .closedHere }
        try awaitResult(connection, deadline)
        guard let result = PQgetResult(connection) else {
            exchange.isComplete = true
            return false
        }
        let handle = ResultHandle(result)
        if handle.status == PGRES_COPY_OUT { return true }
        try exchange.take(handle, connection)
        try drive(&exchange, deadline)
        return false
    }

    private func fillChunk(_ deadline: ContinuousClock.Instant) throws(PostgresError) -> (bytes: [UInt8], isAtEnd: Bool) {
        guard let connection = session?.pointer else { throw .closedHere }
        var chunk: [UInt8] = []
        while chunk.count < Self.chunkBytes {
            guard ContinuousClock.now < deadline else { throw .deadlineExceeded }
            var buffer: UnsafeMutablePointer<CChar>?
            let length = PQgetCopyData(connection, &buffer, 1)
            defer { PQfreemem(buffer) }
            if length > 0, let buffer {
                chunk.append(contentsOf: UnsafeRawBufferPointer(start: buffer, count: Int(length)))
            } else if length == 0 {
                _ = try wait(for: POLLIN, on: PQsocket(connection), until: deadline)
                guard Self.consumeInput(connection) else {
                    throw PostgresError(.connectionLost, "the server closed the connection during COPY")
                }
            } else {
                return (chunk, true)
            }
        }
        return (chunk, false)
    }
}
