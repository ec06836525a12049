import Glibc
@testable import Postgres
import TestSupport
import Testing

@Suite(.fewAtOnce) struct TransactionTests {
    private struct Unhappy: Error {}

    private func connectWithTable() async throws -> Connection {
        let connection = try await connect()
        let sql = "CREATE TABLE t (x int PRIMARY KEY); CREATE TABLE u (x int REFERENCES t DEFERRABLE INITIALLY DEFERRED)"
        try await connection.executeScript(sql, deadline: soon)
        return connection
    }

    private func rows(_ connection: Connection) async throws -> Int64 {
        try await connection.value("SELECT count(*) FROM t", as: Int64.self)
    }

    @Test func commitsWhatTheBodyDid() async throws {
        let connection = try await connectWithTable()
        let sum = try await connection.transaction(deadline: soon) { connection in
            let deadline = soon
            _ = try connection.execute(Query("INSERT INTO t VALUES (1), (2)"), deadline: deadline)
            let rows = try connection.execute(Query("SELECT sum(x) FROM t"), deadline: deadline)
            return try rows[0].decode(0, as: Int64.self)
        }
        #expect(sum == 3)
        #expect(try await rows(connection) == 2)
        await connection.close()
    }

    @Test func rollsBackWhenTheBodyThrows() async throws {
        let connection = try await connectWithTable()
        await #expect(throws: Unhappy.self) {
            try await connection.transaction(deadline: soon) { connection in
                _ = try connection.execute(Query("INSERT INTO t VALUES (1)"), deadline: soon)
                throw Unhappy()
            }
        }
        #expect(connection.isUsable)
        #expect(try await rows(connection) == 0)
        await connection.close()
    }

    @Test func reportsTheCommitOfAnAbortedTransaction() async throws {
        let connection = try await connectWithTable()
        let error = await postgresError {
            try await connection.transaction(deadline: soon) { connection in
                _ = try connection.execute(Query("INSERT INTO t VALUES (1)"), deadline: soon)
                _ = try? connection.execute(Query("SELECT 1/0"), deadline: soon)
            }
        }
        #expect(error?.code == .notCommitted)
        #expect(connection.isUsable)
        #expect(try await rows(connection) == 0)
        await connection.close()
    }

    @Test func readOnlyRefusesToWrite() async throws {
        let connection = try await connectWithTable()
        let body = await postgresError {
            _ = try await connection.transaction(.readOnly, deadline: soon) { connection in
                try connection.execute(Query("INSERT INTO t VALUES (1)"), deadline: soon)
            }
        }
        #expect(body?.sqlState == .readOnlyTransaction)
        let pipeline = await postgresError {
            _ = try await connection.transaction([Query("INSERT INTO t VALUES (1)")], mode: .readOnly, deadline: soon)
        }
        #expect(pipeline?.sqlState == .readOnlyTransaction)
        await connection.close()
    }

    @Test func boundsTheBodyByItsDeadline() async throws {
        let connection = try await connectWithTable()
        let start = ContinuousClock.now
        let error = await postgresError {
            try await connection.transaction(deadline: start + .milliseconds(100)) { connection in
                _ = try connection.execute(Query("INSERT INTO t VALUES (1)"), deadline: soon)
                _ = try connection.execute(Query("SELECT pg_sleep(30)"), deadline: soon)
            }
        }
        #expect(error?.code == .deadlineExceeded)
        #expect(ContinuousClock.now - start < .seconds(20))
        #expect(try await rows(connection) == 0)
        await connection.close()
    }

    @Test func setsTheStatementTimeoutOnlyInTransactions() async throws {
        let url = try await TestCluster.shared().makeDatabase()
        let connection = try await connect(try ConnectionConfiguration(url: url, serverStatementTimeout: .milliseconds(1_500)))
        let show = Query("SELECT current_setting('statement_timeout')")
        let inside = try await connection.transaction([show], deadline: soon)
        #expect(try inside[0][0].decode(0, as: String.self) == "1500ms")
        let body = try await connection.transaction(deadline: soon) { try $0.execute(show, deadline: soon) }
        #expect(try body[0].decode(0, as: String.self) == "1500ms")
        #expect(try await connection.value(show.sql, as: String.self) == "0")
        await connection.close()
    }

    @Test func pipelineReturnsEachResult() async throws {
        let connection = try await connectWithTable()
        for round in 0..<2 {
            let results = try await connection.transaction(
                [
                    Query(name: "add", sql: "INSERT INTO t VALUES ($1) RETURNING x", bindings: bindings(Int32(round * 10))),
                    Query(name: "add", sql: "INSERT INTO t VALUES ($1) RETURNING x", bindings: bindings(Int32(round * 10 + 1))),
                    Query("SELECT count(*) FROM t"),
                ],
                deadline: soon
            )
            #expect(results.map(\.commandTag) == ["INSERT 0 1", "INSERT 0 1", "SELECT 1"])
            #expect(try results[1][0].decode(0, as: Int32.self) == Int32(round * 10 + 1))
            #expect(try results[2][0].decode(0, as: Int64.self) == Int64(round * 2 + 2))
        }
        #expect(connection.isUsable)
        await connection.close()
    }

    /// The reply comes only after everything was sent: the proxy sees BEGIN and COMMIT in one piece.
    @Test func pipelineIsOneRoundTrip() async throws {
        let cluster = try await TestCluster.shared()
        let url = try await cluster.makeDatabase()
        let proxy = try ReplySwallower(upstream: "\(cluster.socketDirectory)/.s.PGSQL.5432")
        defer { proxy.close() }
        let direct = try await connect(try ConnectionConfiguration(url: url))
        try await direct.executeScript("CREATE TABLE t (x int)", deadline: soon)
        let connection = try await connect(try proxied(url, proxy))
        let error = await postgresError {
            _ = try await connection.transaction([Query("INSERT INTO t VALUES (1)")], deadline: soon)
        }
        #expect(error?.code == .outcomeUnknown)
        #expect(proxy.chunkWithCommit.contains("BEGIN"))
        #expect(proxy.chunkWithCommit.contains("INSERT"))
        // The transaction did happen; the client could not know.
        #expect(try await rows(direct) == 1)
        #expect(connection.isClosed)
        await direct.close()
    }

    @Test func reportsACommitWhoseReplyIsLost() async throws {
        let cluster = try await TestCluster.shared()
        let url = try await cluster.makeDatabase()
        let proxy = try ReplySwallower(upstream: "\(cluster.socketDirectory)/.s.PGSQL.5432")
        defer { proxy.close() }
        let connection = try await connect(try proxied(url, proxy))
        let error = await postgresError {
            try await connection.transaction(deadline: soon) { _ = try $0.execute(Query("SELECT 1"), deadline: soon) }
        }
        #expect(error?.code == .outcomeUnknown)
        #expect(error?.isTransient == false)
    }

    @Test func returnsWhatArrivedWhenTheReplyToCommitIsLost() async throws {
        let cluster = try await TestCluster.shared()
        let url = try await cluster.makeDatabase()
        let proxy = try ReplySwallower(upstream: "\(cluster.socketDirectory)/.s.PGSQL.5432")
        defer { proxy.close() }
        let connection = try await connect(try proxied(url, proxy))
        let attempt = try await connection.attemptTransaction([Query("SELECT 1")], flushingAfter: [0], deadline: soon)
        #expect(attempt.doubt?.code == .outcomeUnknown)
        #expect(attempt.results.isEmpty)
        await connection.close()
    }

    @Test func flushesAPipelineOnTheWayWithoutHarm() async throws {
        let connection = try await connectWithTable()
        for round in 0..<2 {
            let attempt = try await connection.attemptTransaction(
                [Query("SELECT 1"), Query("INSERT INTO t VALUES (\(round)) RETURNING x")],
                flushingAfter: [0, 1],
                deadline: soon
            )
            #expect(attempt.doubt == nil)
            #expect(attempt.results.map(\.commandTag) == ["SELECT 1", "INSERT 0 1"])
        }
        let error = await postgresError {
            _ = try await connection.attemptTransaction([Query("INSERT INTO t VALUES (0)")], flushingAfter: [0], deadline: soon)
        }
        #expect(error?.sqlState == .uniqueViolation)
        #expect(connection.isUsable)
        #expect(try await rows(connection) == 2)
        await connection.close()
    }

    private func proxied(_ url: String, _ proxy: ReplySwallower) throws -> ConnectionConfiguration {
        let direct = try ConnectionConfiguration(url: url)
        let user = try #require(direct.value(of: "user"))
        let database = try #require(direct.value(of: "dbname"))
        return try ConnectionConfiguration(url: "user=\(user) dbname=\(database) host=\(proxy.directory) port=5432")
    }

    @Test func aFailedPipelineLeavesTheConnectionUsable() async throws {
        let connection = try await connectWithTable()
        let insert = { (x: Int) in Query(name: "add", sql: "INSERT INTO t VALUES ($1)", bindings: bindings(Int32(x))) }
        let error = await postgresError {
            _ = try await connection.transaction([insert(1), insert(1), Query("SELECT 1")], deadline: soon)
        }
        #expect(error?.code == .server(.uniqueViolation))
        #expect(error?.constraint == "t_pkey")
        #expect(connection.isUsable)
        #expect(try await rows(connection) == 0)
        _ = try await connection.transaction([insert(1)], deadline: soon)
        #expect(try await rows(connection) == 1)
        await connection.close()
    }

    @Test func aPipelineThatFailsInCommitIsThatError() async throws {
        let connection = try await connectWithTable()
        let error = await postgresError {
            _ = try await connection.transaction([Query("INSERT INTO u VALUES (99)")], deadline: soon)
        }
        #expect(error?.code == .server(.foreignKeyViolation))
        #expect(connection.isUsable)
        await connection.close()
    }

    @Test func aPreparationThatFailsIsNotRemembered() async throws {
        let connection = try await connect()
        let query = Query(name: "later", sql: "SELECT x FROM later")
        for _ in 0..<2 {
            #expect(await postgresError { _ = try await connection.transaction([query], deadline: soon) }?.sqlState == .undefinedTable)
            #expect(await postgresError { _ = try await connection.execute(query, deadline: soon) }?.sqlState == .undefinedTable)
        }
        try await connection.executeScript("CREATE TABLE later (x int)", deadline: soon)
        #expect(try await connection.transaction([query], deadline: soon).count == 1)
        await connection.close()
    }

    @Test func aPipelineEndsAtItsDeadline() async throws {
        let connection = try await connectWithTable()
        let start = ContinuousClock.now
        let error = await postgresError {
            let queries = [Query("INSERT INTO t VALUES (1)"), Query("SELECT pg_sleep(30)")]
            _ = try await connection.transaction(queries, deadline: start + .milliseconds(100))
        }
        #expect(error?.code == .deadlineExceeded)
        #expect(ContinuousClock.now - start < .seconds(20))
        #expect(connection.isUsable)
        #expect(try await rows(connection) == 0)
        await connection.close()
    }

    @Test func aPipelineToAStoppedBackendIsUnknown() async throws {
        let url = try await TestCluster.shared().makeDatabase()
        let connection = try await connect(try ConnectionConfiguration(url: url))
        let pid = connection.serverBackendPID
        try TestCluster.signal(pid, SIGSTOP)
        defer { kill(pid, SIGCONT) }
        let start = ContinuousClock.now
        let error = await postgresError {
            _ = try await connection.transaction([Query("SELECT 1")], deadline: start + .milliseconds(100))
        }
        #expect(error?.code == .outcomeUnknown)
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    /// A backend that ends before COMMIT has certainly not committed.
    @Test func aBackendThatEndsBeforeCommitIsLost() async throws {
        let connection = try await connectWithTable()
        let error = await postgresError {
            let queries = [Query("INSERT INTO t VALUES (1)"), Query("SELECT pg_terminate_backend(pg_backend_pid())")]
            _ = try await connection.transaction(queries, deadline: soon)
        }
        #expect(error?.code == .connectionLost)
        #expect(error?.sqlState == .adminShutdown)
    }
}
