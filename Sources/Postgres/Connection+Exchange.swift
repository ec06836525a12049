import CLibPQ
import Glibc

extension Connection {
    /// Sends what is queued and reads until a result can be taken without waiting. Reads while it writes: a server that
    /// is waiting for us to read would never take the rest.
    func awaitResult(_ connection: OpaquePointer, _ deadline: ContinuousClock.Instant) throws(PostgresError) {
        while true {
            let isPending = PQflush(connection) == 1
            if PQisBusy(connection) == 0 { return }
            guard PQstatus(connection) == CONNECTION_OK else { throw lost(connection) }
            // A server that keeps sending leaves poll(2) nothing to wait for.
            guard ContinuousClock.now < capped(deadline) else { throw .deadlineExceeded }
            _ = try wait(for: isPending ? POLLIN | POLLOUT : POLLIN, on: PQsocket(connection), until: deadline)
            guard !Self.consumeInput(connection) else { continue }
            // The last words before the end are worth reading: they say why.
            if PQisBusy(connection) == 0 { return }
            throw lost(connection)
        }
    }

    /// Takes in what has arrived; false when the connection is lost.
    ///
    /// With TLS one read may leave a part of a record (16 KiB at most) in OpenSSL, where poll(2) does not see it; libpq makes
    /// room for at least 8 KiB before each read.
    static func consumeInput(_ connection: OpaquePointer) -> Bool {
        for _ in 0..<(PQsslInUse(connection) == 1 ? 3 : 1) where PQconsumeInput(connection) == 0 { return false }
        return true
    }

    private func lost(_ connection: OpaquePointer) -> PostgresError {
        .connection(.connectionLost, libpqMessage: String(cString: PQerrorMessage(connection)))
    }

    /// Reads the exchange's results to its end.
    func drive(_ exchange: inout Exchange, _ deadline: ContinuousClock.Instant) throws(PostgresError) {
        guard let connection = session?.pointer else { throw .closedHere }
        while !exchange.isComplete {
            do throws(PostgresError) {
                try awaitResult(connection, deadline)
            } catch {
                throw error.code == .connectionLost && !monitor.isClosing ? exchange.lost(connection) : error
            }
            if let result = PQgetResult(connection) {
                try exchange.take(ResultHandle(result), connection)
            } else if !exchange.isPipeline {
                exchange.isComplete = true
            } else if PQstatus(connection) != CONNECTION_OK {
                throw exchange.lost(connection)
            }
        }
    }

    /// Reads the exchange's results; when the caller cannot wait for them, has the server cancel, and reads what it says.
    ///
    /// Returns with the exchange complete, whatever it brought, or throws with the session closed or the request undone.
    func perform(_ exchange: inout Exchange, _ deadline: ContinuousClock.Instant) throws(PostgresError) {
        defer { settle() }
        do {
            try drive(&exchange, deadline)
        } catch {
            if error.code == .connectionLost {
                closeNow()
                throw error
            }
            abandon(&exchange)
            // Something ended just in time: better the truth than the clock.
            guard error.code != .unexpectedResult, exchange.isComplete, exchange.error?.sqlState != .queryCanceled else { throw error }
        }
        if exchange.error?.isFatal == true { closeNow() }
    }

    /// Cancels what runs and reads it to its end within the grace; closes the session if that fails.
    func abandon(_ exchange: inout Exchange) {
        guard let connection = session?.pointer, !exchange.isComplete else { return }
        guard PQstatus(connection) == CONNECTION_OK else { return closeNow() }
        let deadline = ContinuousClock.now + configuration.grace
        let wasShielded = isShielded
        isShielded = true
        defer { isShielded = wasShielded }
        // A pipeline cannot leave a COPY, and a COPY in would wait for data nobody has.
        guard !(exchange.sawCopy && exchange.isPipeline) else { return closeNow() }
        do throws(PostgresError) {
            // Cancelled too, a COPY in would end twice: by the cancellation, and by our giving up.
            let request = exchange.sawCopy ? nil : try requestCancel(connection, &exchange, deadline)
            while !exchange.isComplete {
                do throws(PostgresError) {
                    try drive(&exchange, deadline)
                } catch {
                    guard error.code == .unexpectedResult else { throw error }
                    try endCopy(connection, isCancelled: request != nil, deadline)
                }
            }
            // A request still on its way could cancel the next statement instead.
            while let request, !request.isFinished {
                guard try wait(for: 0, on: PQsocket(connection), until: deadline) == 0 else { return closeNow() }
            }
        } catch {
            closeNow()
        }
    }

    /// Has the server cancel what runs; nil if it ended by itself before a helper thread was free to ask.
    private func requestCancel(
        _ connection: OpaquePointer,
        _ exchange: inout Exchange,
        _ deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> CancelRequest? {
        while !exchange.isComplete {
            if let request = CancelRequest.send(for: connection, monitor: monitor) { return request }
            do throws(PostgresError) {
                try drive(&exchange, min(deadline, .now + .milliseconds(10)))
            } catch {
                guard error.code == .deadlineExceeded, ContinuousClock.now < deadline else { throw error }
            }
        }
        return nil
    }

    /// Gets the session out of a COPY, in either direction.
    private func endCopy(
        _ connection: OpaquePointer,
        isCancelled: Bool,
        _ deadline: ContinuousClock.Instant
    ) throws(PostgresError) {
        guard ContinuousClock.now < deadline else { throw .deadlineExceeded }
        if PQputCopyEnd(connection, "not wanted") == 1 {
            guard !isCancelled else { throw .closedHere }
            return
        }
        while true {
            var buffer: UnsafeMutablePointer<CChar>?
            let length = PQgetCopyData(connection, &buffer, 1)
            PQfreemem(buffer)
            if length < 0 { return }
            guard ContinuousClock.now < deadline else { throw .deadlineExceeded }
            guard length == 0 else { continue }
            _ = try wait(for: POLLIN, on: PQsocket(connection), until: deadline)
            guard Self.consumeInput(connection) else { throw lost(connection) }
        }
    }

    /// Publishes what the session is now; closes one that is broken.
    func settle() {
        guard let connection = session?.pointer else { return }
        guard PQstatus(connection) == CONNECTION_OK else { return closeNow() }
        switch PQtransactionStatus(connection) {
        case PQTRANS_IDLE: monitor.status = .idle
        case PQTRANS_INTRANS, PQTRANS_INERROR: monitor.status = .inTransaction
        default: monitor.status = .busy
        }
    }

    /// For libpq's refusal to send: the session's fault if it is broken, ours otherwise.
    func sendFailure(_ connection: OpaquePointer) -> PostgresError {
        defer { settle() }
        guard PQstatus(connection) == CONNECTION_OK else { return lost(connection) }
        return PostgresError(.unexpectedResult, "libpq would not send the request")
    }
}
