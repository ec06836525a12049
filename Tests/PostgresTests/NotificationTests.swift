@testable import Postgres
import TestSupport
import Testing

@Suite struct NotificationTests {
    @Test func hearsWhatOthersSay() async throws {
        let listener = try await connect()
        let speaker = try await connect(listener.configuration)
        try await listener.listen("Keys \"changed\"", deadline: soon)
        #expect(try await listener.nextNotification(deadline: .now) == nil)
        for payload in ["one", "two"] {
            let sql = "SELECT pg_notify('Keys \"changed\"', $1) IS NULL"
            _ = try await speaker.execute(Query(sql, bindings(payload)), deadline: soon)
        }
        for payload in ["one", "two"] {
            let heard = try await listener.nextNotification(deadline: soon)
            #expect(heard == Notification(channel: "Keys \"changed\"", payload: payload, senderPID: speaker.serverBackendPID))
        }
        await speaker.close()
        await listener.close()
    }

    @Test func wakesOnCancellation() async throws {
        let listener = try await connect()
        let waiting = Task { await postgresError { _ = try await listener.nextNotification(deadline: soon) } }
        waiting.cancel()
        #expect(await waiting.value?.code == .cancelled)
        #expect(try await listener.value("SELECT 1", as: Int32.self) == 1)
        await listener.close()
    }

    @Test func reportsALostConnection() async throws {
        let listener = try await connect()
        let other = try await connect(listener.configuration)
        let pid = listener.serverBackendPID
        let waiting = Task { await postgresError { _ = try await listener.nextNotification(deadline: soon) } }
        _ = try await other.execute(Query("SELECT pg_terminate_backend($1)", bindings(pid)), deadline: soon)
        #expect(await waiting.value?.code == .connectionLost)
        await other.close()
    }
}
