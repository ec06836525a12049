import Dispatch
import Glibc
@testable import Postgres
import Synchronization
import TestSupport
import Testing

@Suite struct StreamTests {
    private struct Enough: Error {}

    /// Counts what comes.
    private struct Tally {
        var rows = 0
        var sum: Int64 = 0
    }

    private func stream(_ connection: Connection, _ count: Int, _ take: @Sendable (Int64) throws -> Void) async throws {
        let query = Query("SELECT x, repeat('x', 600) FROM generate_series(1, $1::int8) x", bindings(Int64(count)))
        try await connection.forEachRow(query, patience: .seconds(20)) { try take($0.decode(0)) }
    }

    @Test func handsOverAMillionRowsInConstantMemory() async throws {
        let connection = try await connect()
        let tally = Shared(Tally())
        let add: @Sendable (Int64) -> Void = { number in
            tally.withLock {
                $0.rows += 1
                $0.sum += number
            }
        }
        try await stream(connection, 10_000, add)
        let before = try memoryInUse()
        try await stream(connection, 1_000_000, add)
        let growth = try memoryInUse() - before
        #expect(tally.withLock { $0.rows } == 1_010_000)
        #expect(tally.withLock { $0.sum } == 500_000_500_000 + 50_005_000)
        // The rows are over 600 MB. Other tests run in this process too, and are given some room.
        #expect(growth < 250 << 20)
        #expect(connection.isUsable)
        await connection.close()
    }

    @Test func endsWhenTakingThrows() async throws {
        let connection = try await connect()
        await #expect(throws: Enough.self) { try await stream(connection, 10_000_000) { _ in throw Enough() } }
        #expect(connection.isUsable)
        #expect(try await connection.value("SELECT 1", as: Int32.self) == 1)
        await connection.close()
    }

    /// A statement that was prepared on the way is not prepared again under its name.
    @Test func knowsTheStatementsOfACallThatTakingEnded() async throws {
        let connection = try await connect()
        let query = Query(name: "numbers", sql: "SELECT x FROM generate_series(1, 1000000) x")
        for _ in 0..<3 {
            await #expect(throws: Enough.self) {
                try await connection.forEachRow(query, patience: .seconds(20)) { _ in throw Enough() }
            }
        }
        #expect(try await connection.value("SELECT count(*) FROM pg_prepared_statements WHERE name = 'numbers'", as: Int64.self) == 1)
        await connection.close()
    }

    @Test func runsNothingBehindAPreambleThatFails() async throws {
        let connection = try await connect()
        let error = await postgresError {
            try await connection.forEachRow(
                Query("SELECT 1"),
                preamble: [Query("SET LOCAL ROLE nobody_of_that_name")],
                patience: .seconds(20)
            ) { _ in
                Issue.record("a row without its preamble")
            }
        }
        #expect(error?.sqlState == .invalidParameterValue)
        #expect(connection.isUsable)
        #expect(try await connection.value("SELECT 1", as: Int32.self) == 1)
        await connection.close()
    }

    @Test func endsWhenDecodingThrows() async throws {
        let connection = try await connect()
        let error = await postgresError {
            try await connection.forEachRow(Query("SELECT NULL::int4 FROM generate_series(1, 1000000)"), patience: .seconds(20)) {
                _ = try $0.decode(0, as: Int32.self)
            }
        }
        #expect(error?.code == .decoding)
        #expect(try await connection.value("SELECT 1", as: Int32.self) == 1)
        await connection.close()
    }

    @Test func reportsAnErrorAfterTheFirstRows() async throws {
        let connection = try await connect()
        let rows = Shared(0)
        let error = await postgresError {
            try await connection.forEachRow(Query("SELECT 1 / (5000 - x) FROM generate_series(1, 10000) x"), patience: .seconds(20)) { _ in
                rows.withLock { $0 += 1 }
            }
        }
        #expect(error?.sqlState == SQLState(rawValue: "22012"))
        #expect(rows.withLock { $0 } == 4_999)
        #expect(try await connection.value("SELECT 1", as: Int32.self) == 1)
        await connection.close()
    }

    @Test func waitsNoLongerThanItsPatienceForARow() async throws {
        let connection = try await connect()
        let error = await postgresError {
            try await connection.forEachRow(Query("SELECT pg_sleep(30) IS NULL"), patience: .milliseconds(100)) { _ in }
        }
        #expect(error?.code == .deadlineExceeded)
        #expect(connection.isUsable)
        await connection.close()
    }

    @Test func runsWithItsPreambleInOneTransaction() async throws {
        let connection = try await connect()
        let seen = Shared<[String]>([])
        try await connection.forEachRow(
            Query("SELECT current_setting('app.tenant') || current_setting('transaction_read_only')"),
            preamble: [Query("SET LOCAL app.tenant = '7'")],
            patience: .seconds(20)
        ) { row in
            let text = try row.decode(0, as: String.self)
            seen.withLock { $0.append(text) }
        }
        #expect(seen.withLock { $0 } == ["7on"])
        #expect(connection.isUsable)
        #expect(try await connection.value("SELECT coalesce(current_setting('app.tenant', true), '')", as: String.self) == "")
        await connection.close()
    }

    /// The server cannot run ahead: it is held up while a row is being taken.
    @Test func holdsTheServerBackWhileTaking() async throws {
        let connection = try await connect()
        let observer = try await connect(connection.configuration)
        let pid = connection.serverBackendPID
        let rows = Shared(0)
        let mayGoOn = DispatchSemaphore(value: 0)
        let streaming = Task {
            try await stream(connection, 200_000) { _ in
                // The thread is the connection's own: nobody else is kept waiting.
                let count = rows.withLock { rows in
                    rows += 1
                    return rows
                }
                if count == 1 {
                    mayGoOn.wait()
                }
            }
        }
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'ClientWrite'"
        let isHeldBack = (try? await eventually { try await observer.value(sql, bindings(pid), as: Int64.self) == 1 }) ?? false
        mayGoOn.signal()
        try await streaming.value
        #expect(isHeldBack)
        #expect(rows.withLock { $0 } == 200_000)
        await connection.close()
        await observer.close()
    }

    @Test func endsWithItsDeadlineThoughRowsKeepComing() async throws {
        let connection = try await connect()
        let rows = Shared(0)
        let error = await postgresError {
            // Rows that fill the server's buffer: each is sent at once.
            try await connection.forEachRow(
                Query("SELECT repeat('x', 10000), pg_sleep(0.05) IS NULL FROM generate_series(1, 10000)"),
                patience: .seconds(300),
                deadline: .now + .seconds(1)
            ) { _ in rows.withLock { $0 += 1 } }
        }
        #expect(error?.code == .deadlineExceeded)
        #expect(rows.withLock { $0 } > 0)
        #expect(connection.isUsable)
        await connection.close()
    }

    @Test func endsWhenItsTaskIsCancelled() async throws {
        let connection = try await connect()
        let begun = Shared(false)
        let streaming = Task { try await stream(connection, 2_000_000) { _ in begun.withLock { $0 = true } } }
        let hasBegun = try await eventually { begun.withLock { $0 } }
        #expect(hasBegun)
        streaming.cancel()
        let error = await postgresError { try await streaming.value }
        #expect(error?.code == .cancelled)
        #expect(connection.isUsable)
        await connection.close()
    }

    @Test func saysThatTheServerEndedItAmongTheRows() async throws {
        let connection = try await connect()
        let killer = try await connect()
        let pid = connection.serverBackendPID
        let rows = Shared(0)
        let error = await postgresError {
            try await connection.forEachRow(Query("SELECT x, pg_sleep(0.001) FROM generate_series(1, 60000) x"), patience: .seconds(20)) {
                _ in
                rows.withLock { $0 += 1 }
                guard rows.withLock({ $0 }) == 1 else { return }
                Task { try await killer.value("SELECT pg_terminate_backend(\(pid))", as: Bool.self) }
            }
        }
        #expect(error?.code == .connectionLost)
        #expect(connection.isClosed)
        await connection.close()
        await killer.close()
    }

    @Test func copiesOut() async throws {
        let connection = try await connect()
        let bytes = Shared<[UInt8]>([])
        let sql = "COPY (SELECT x FROM generate_series(1, 100000) x) TO STDOUT"
        try await connection.copyOut(sql, deadline: .seconds(20)) { chunk in bytes.withLock { $0 += chunk } }
        let lines = bytes.withLock { $0.split(separator: UInt8(ascii: "\n")) }
        #expect(lines.count == 100_000)
        #expect(lines.last.map { String(decoding: $0, as: UTF8.self) } == "100000")
        #expect(try await connection.value("SELECT 1", as: Int32.self) == 1)
        await #expect(throws: Enough.self) {
            try await connection.copyOut("COPY (SELECT generate_series(1, 10000000)) TO STDOUT", deadline: .seconds(20)) { _ in
                throw Enough()
            }
        }
        #expect(try await connection.value("SELECT 1", as: Int32.self) == 1)
        await connection.close()
    }

    @Test(arguments: ["SELECT 1", "", "COPY t FROM STDIN", "CREATE TABLE x (y int)"])
    func copyRefusesAnythingElse(_ sql: String) async throws {
        let connection = try await connect()
        try await connection.executeScript("CREATE TABLE t (x int)", deadline: soon)
        let error = await postgresError { try await connection.copyOut(sql, deadline: .seconds(20)) { _ in } }
        #expect(error?.code == .unexpectedResult)
        #expect(try await connection.value("SELECT 1", as: Int32.self) == 1)
        await connection.close()
    }

    /// The process's resident bytes.
    private func memoryInUse() throws -> Int {
        let file = try #require(fopen("/proc/self/statm", "r"))
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        try #require(fgets(&line, Int32(line.count), file) != nil)
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let pages = try #require(text.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
