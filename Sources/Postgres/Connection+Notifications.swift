import CLibPQ
import Glibc

/// What a NOTIFY said.
package struct Notification: Sendable, Equatable {
    package let channel: String
    package let payload: String
    /// The process id of the backend that sent it.
    package let senderPID: Int32
}

extension Connection {
    /// Starts to listen on a channel, spelled exactly so. Needs a direct connection, not a pooler's.
    package func listen(_ channel: String, deadline: ContinuousClock.Instant) async throws(PostgresError) {
        guard !channel.isEmpty, !channel.utf8.contains(0) else {
            throw PostgresError(.encoding, "the channel's name is empty or holds a NUL")
        }
        var quoted = "\""
        for character in channel.unicodeScalars {
            if character == "\"" { quoted.append("\"") }
            quoted.unicodeScalars.append(character)
        }
        try await executeScript("LISTEN \(quoted)\"", deadline: deadline)
    }

    /// The next notification; nil at the deadline. Holds the connection's thread meanwhile.
    ///
    /// Errors: `.cancelled`, `.connectionLost`.
    package func nextNotification(deadline: ContinuousClock.Instant) async throws(PostgresError) -> Notification? {
        try await interruptible { connection throws(PostgresError) in try connection.awaitNotification(deadline) }
    }

    private func awaitNotification(_ deadline: ContinuousClock.Instant) throws(PostgresError) -> Notification? {
        guard let connection = session?.pointer, !monitor.isClosing else { throw .closedHere }
        guard !isStreaming else { throw PostgresError(.connectionBusy, "a copy is being delivered") }
        defer { settle() }
        while true {
            if let notification = Self.takeNotification(connection) { return notification }
            do throws(PostgresError) {
                _ = try wait(for: POLLIN, on: PQsocket(connection), until: deadline)
            } catch {
                guard error.code == .deadlineExceeded else { throw error }
                return nil
            }
            guard Self.consumeInput(connection) else {
                throw .connection(.connectionLost, libpqMessage: String(cString: PQerrorMessage(connection)))
            }
        }
    }

    private static func takeNotification(_ connection: OpaquePointer) -> Notification? {
        guard let notify = PQnotifies(connection) else { return nil }
        defer { PQfreemem(notify) }
        return Notification(
            channel: notify.pointee.relname.map { String(cString: $0) } ?? "",
            payload: notify.pointee.extra.map { String(cString: $0) } ?? "",
            senderPID: notify.pointee.be_pid
        )
    }
}
