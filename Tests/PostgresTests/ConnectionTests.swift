import Glibc
@testable import Postgres
import TestSupport
import Testing

@Suite(.fewAtOnce) struct ConnectionTests {
    @Test func cancelsAtTheDeadlineAndStaysUsable() async throws {
        let connection = try await connect()
        let start = ContinuousClock.now
        let error = await postgresError {
            _ = try await connection.execute(Query("SELECT pg_sleep(30)"), deadline: start + .milliseconds(100))
        }
        #expect(error?.code == .deadlineExceeded)
        #expect(ContinuousClock.now - start < .seconds(20))
        #expect(connection.isUsable)
        #expect(try await connection.value("SELECT 1", as: Int32.self) == 1)
        await connection.close()
    }

    @Test func refusesADeadlineThatHasPassed() async throws {
        let connection = try await connect()
        let error = await postgresError { _ = try await connection.execute(Query("SELECT 1"), deadline: .now - .seconds(1)) }
        #expect(error?.code == .deadlineExceeded)
        #expect(connection.isUsable)
        await connection.close()
    }

    @Test func endsWhenTheTaskIsCancelled() async throws {
        let connection = try await connect()
        let observer = try await connect(connection.configuration)
        let pid = connection.serverBackendPID
        let running = Task { await postgresError { _ = try await connection.execute(Query("SELECT pg_sleep(30)"), deadline: soon) } }
        #expect(try await eventually { try await isActive(pid, observer) })
        running.cancel()
        #expect(await running.value?.code == .cancelled)
        #expect(try await connection.value("SELECT 1", as: Int32.self) == 1)
        await connection.close()
        await observer.close()
    }

    @Test func returnsInTimeFromAStoppedBackend() async throws {
        let url = try await TestCluster.shared().makeDatabase()
        let connection = try await connect(try ConnectionConfiguration(url: url))
        let pid = connection.serverBackendPID
        try TestCluster.signal(pid, SIGSTOP)
        defer { kill(pid, SIGCONT) }
        let start = ContinuousClock.now
        let error = await postgresError { _ = try await connection.execute(Query("SELECT 1"), deadline: start + .milliseconds(100)) }
        #expect(error?.code == .deadlineExceeded)
        #expect(ContinuousClock.now - start < .seconds(20))
        #expect(connection.isClosed)
    }

    /// Cancel requests go to the postmaster: one that does not answer them must not hold up those who ask.
    @Test func returnsInTimeWhenTheCancelRequestHangs() async throws {
        let cluster = try await TestCluster.startPrivate()
        let configuration = try ConnectionConfiguration(url: try await cluster.makeDatabase())
        var connections: [Connection] = []
        for _ in 0..<3 { connections.append(try await connect(configuration)) }
        let postmaster = try #require(await cluster.postmasterPID)
        try TestCluster.signal(postmaster, SIGSTOP)
        defer { kill(postmaster, SIGCONT) }
        for connection in connections {
            let start = ContinuousClock.now
            let error = await postgresError {
                _ = try await connection.execute(Query("SELECT pg_sleep(30)"), deadline: start + .milliseconds(50))
            }
            #expect(error?.code == .deadlineExceeded)
            #expect(ContinuousClock.now - start < .seconds(20))
            #expect(connection.isClosed)
        }
        kill(postmaster, SIGCONT)
        try await cluster.remove()
    }

    @Test func connectsInTimeToAServerThatDoesNotAnswer() async throws {
        let silent = try SilentServer()
        defer { silent.close() }
        let configuration = try ConnectionConfiguration(url: "postgres://nobody@/x?host=\(silent.directory)")
        let start = ContinuousClock.now
        let error = await postgresError { _ = try await Connection.connect(configuration, deadline: start + .milliseconds(100)) }
        #expect(error?.code == .deadlineExceeded)
        #expect(ContinuousClock.now - start < .seconds(20))
        let connecting = Task { await postgresError { _ = try await Connection.connect(configuration, deadline: soon) } }
        silent.accept()
        connecting.cancel()
        #expect(await connecting.value?.code == .cancelled)
    }

    @Test func reportsABackendKilledInMidQuery() async throws {
        let cluster = try await TestCluster.startPrivate()
        let configuration = try ConnectionConfiguration(url: try await cluster.makeDatabase())
        let connection = try await connect(configuration)
        let observer = try await connect(configuration)
        let pid = connection.serverBackendPID
        let running = Task { await postgresError { _ = try await connection.execute(Query("SELECT pg_sleep(30)"), deadline: soon) } }
        #expect(try await eventually { try await isActive(pid, observer) })
        try TestCluster.signal(pid, SIGKILL)
        let error = await running.value
        #expect(error?.code == .connectionLost)
        #expect(error?.isTransient == true)
        #expect(connection.isClosed)
        #expect(await postgresError { _ = try await connection.execute(Query("SELECT 1"), deadline: soon) }?.code == .connectionLost)
        await observer.close()
        try await cluster.remove()
    }

    @Test func reportsATerminatedBackendWithItsState() async throws {
        let connection = try await connect()
        let observer = try await connect(connection.configuration)
        _ = try await observer.execute(Query("SELECT pg_terminate_backend($1)", bindings(connection.serverBackendPID)), deadline: soon)
        let error = await postgresError { _ = try await connection.execute(Query("SELECT 1"), deadline: soon) }
        #expect(error?.code == .connectionLost)
        #expect(error?.sqlState == .adminShutdown)
        await observer.close()
    }

    @Test func closingEndsAWaitAndTheThread() async throws {
        let connection = try await connect()
        let observer = try await connect(connection.configuration)
        let pid = connection.serverBackendPID
        let running = Task { await postgresError { _ = try await connection.execute(Query("SELECT pg_sleep(30)"), deadline: soon) } }
        #expect(try await eventually { try await isActive(pid, observer) })
        await connection.close()
        #expect(await running.value?.code == .connectionLost)
        #expect(try await eventually { !connection.thread.isRunning })
        #expect(await postgresError { _ = try await connection.execute(Query("SELECT 1"), deadline: soon) }?.code == .connectionLost)
        #expect(try await eventually { !connection.thread.isRunning })
        await observer.close()
    }

    @Test func dropsItsThreadAndSessionWhenForgotten() async throws {
        let observer = try await connect()
        let (thread, pid) = try await {
            let connection = try await connect(observer.configuration)
            return (connection.thread, connection.serverBackendPID)
        }()
        #expect(try await eventually { !thread.isRunning })
        #expect(
            try await eventually {
                try await observer.value("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", bindings(pid), as: Int64.self) == 0
            }
        )
        await observer.close()
    }

    @Test func runsScriptsAndReportsTheirFirstError() async throws {
        let connection = try await connect()
        try await connection.executeScript(
            "CREATE TABLE a (x int); INSERT INTO a VALUES (1); DO $$ BEGIN RAISE NOTICE 'x'; END $$",
            deadline: soon
        )
        let error = await postgresError {
            try await connection.executeScript("INSERT INTO a VALUES (2); SELECT 1/0; INSERT INTO nowhere VALUES (3)", deadline: soon)
        }
        #expect(error?.code == .server(SQLState(rawValue: "22012")))
        #expect(try await connection.value("SELECT count(*) FROM a", as: Int64.self) == 1)
        await connection.close()
    }

    @Test(arguments: ["COPY (SELECT generate_series(1, 100000)) TO STDOUT", "COPY t FROM STDIN", "COPY (SELECT 1) TO STDOUT"])
    func refusesACopyItWasNotAskedFor(_ sql: String) async throws {
        let connection = try await connect()
        try await connection.executeScript("CREATE TABLE t (x int)", deadline: soon)
        #expect(await postgresError { _ = try await connection.execute(Query(sql), deadline: soon) }?.code == .unexpectedResult)
        #expect(try await connection.value("SELECT 1", as: Int32.self) == 1)
        #expect(await postgresError { try await connection.executeScript(sql, deadline: soon) }?.code == .unexpectedResult)
        #expect(try await connection.value("SELECT 1", as: Int32.self) == 1)
        #expect(await postgresError { _ = try await connection.transaction([Query(sql)], deadline: soon) } != nil)
        await connection.close()
    }

    @Test func sendsMoreThanASocketHoldsBothWays() async throws {
        let connection = try await connect()
        let texts = (0..<40).map { _ in String(repeating: "x", count: 1 << 18) }
        let queries = texts.map { Query("SELECT $1", bindings($0)) }
        let results = try await connection.transaction(queries, deadline: soon)
        #expect(try results.map { try $0[0].decode(0, as: String.self).utf8.count } == texts.map { $0.utf8.count })
        await connection.close()
    }
}

func isActive(_ pid: Int32, _ observer: Connection) async throws -> Bool {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND wait_event = 'PgSleep'"
    return try await observer.value(sql, bindings(pid), as: Int64.self) == 1
}
