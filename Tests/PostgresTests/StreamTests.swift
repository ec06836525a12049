import Glibc
@testable import Postgres
import Synchronization
import TestSupport
import Testing

@Suite struct StreamTests {
    private struct Enough: Error {}

    /// Counts what is delivered, and how much the process holds meanwhile.
    private final class Tally: Sendable {
        let state = Mutex((rows: 0, sum: Int64(0), batches: 0, largest: 0))

        func add(_ rows: [Int64]) {
            state.withLock { state in
                state.rows += rows.count
                state.sum += rows.reduce(0, +)
                state.batches += 1
                state.largest = max(state.largest, rows.count)
            }
        }
    }

    private func stream(
        _ connection: Connection,
        _ count: Int,
        _ deliver: @Sendable ([Int64]) async throws -> Void
    ) async throws {
        let query = Query("SELECT x, repeat('x', 600) FROM generate_series(1, $1::int8) x", bindings(Int64(count)))
        try await connection.stream(query, deadline: .seconds(20), decode: { try $0.decode(0, as: Int64.self) }, deliver: deliver)
    }

    @Test func deliversAMillionRowsInConstantMemory() async throws {
        let connection = try await connect()
        let tally = Tally()
        try await stream(connection, 10_000) { tally.add($0) }
        let before = try memoryInUse()
        try await stream(connection, 1_000_000) { tally.add($0) }
        let growth = try memoryInUse() - before
        let seen = tally.state.withLock { $0 }
        #expect(seen.rows == 1_010_000)
        #expect(seen.sum == 500_000_500_000 + 50_005_000)
        #expect(seen.largest == 256)
        // The rows are over 600 MB. Other tests run in this process too, and are given some room.
        #expect(growth < 250 << 20)
        #expect(connection.isUsable)
        await connection.close()
    }

    /// The server cannot run ahead: it is held up while a batch is being delivered.
    @Test func holdsTheServerBackWhileDelivering() async throws {
        let connection = try await connect()
        let observer = try await connect(connection.configuration)
        let pid = connection.serverBackendPID
        let tally = Tally()
        try await stream(connection, 200_000) { rows in
            if tally.state.withLock({ $0.batches }) == 0 {
                let sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'ClientWrite'"
                let isHeldBack = try await eventually { try await observer.value(sql, bindings(pid), as: Int64.self) == 1 }
                #expect(isHeldBack)
            }
            tally.add(rows)
        }
        #expect(tally.state.withLock { $0.rows } == 200_000)
        await connection.close()
        await observer.close()
    }

    @Test func isBusyForOthersWhileDelivering() async throws {
        let connection = try await connect()
        let tally = Tally()
        try await stream(connection, 300) { rows in
            tally.add(rows)
            #expect(!connection.isUsable)
            let others: [PostgresError?] = [
                await postgresError { _ = try await connection.execute(Query("SELECT 1"), deadline: soon) },
                await postgresError { _ = try await connection.transaction([], deadline: soon) },
                await postgresError { try await connection.transaction(deadline: soon) { _ in } },
                await postgresError { try await connection.executeScript("SELECT 1", deadline: soon) },
                await postgresError { _ = try await connection.nextNotification(deadline: .now) },
            ]
            #expect(others.allSatisfy { $0?.code == .connectionBusy })
        }
        #expect(tally.state.withLock { $0.rows } == 300)
        #expect(connection.isUsable)
        await connection.close()
    }

    @Test func endsWhenDeliveryThrows() async throws {
        let connection = try await connect()
        await #expect(throws: Enough.self) { try await stream(connection, 10_000_000) { _ in throw Enough() } }
        #expect(connection.isUsable)
        #expect(try await connection.value("SELECT 1", as: Int32.self) == 1)
        await connection.close()
    }

    @Test func endsWhenDecodingThrows() async throws {
        let connection = try await connect()
        let error = await postgresError {
            try await connection.stream(
                Query("SELECT NULL::int4 FROM generate_series(1, 1000000)"),
                deadline: .seconds(20),
                decode: { try $0.decode(0, as: Int32.self) },
                deliver: { _ in }
            )
        }
        #expect(error?.code == .decoding)
        #expect(try await connection.value("SELECT 1", as: Int32.self) == 1)
        await connection.close()
    }

    @Test func reportsAnErrorAfterTheFirstRows() async throws {
        let connection = try await connect()
        let error = await postgresError {
            try await connection.stream(
                Query("SELECT 1 / (5000 - x) FROM generate_series(1, 10000) x"),
                deadline: .seconds(20),
                decode: { try $0.decode(0, as: Int32.self) },
                deliver: { _ in }
            )
        }
        #expect(error?.sqlState == SQLState(rawValue: "22012"))
        #expect(try await connection.value("SELECT 1", as: Int32.self) == 1)
        await connection.close()
    }

    @Test func waitsNoLongerThanItsDeadlineForABatch() async throws {
        let connection = try await connect()
        let error = await postgresError {
            try await connection.stream(
                Query("SELECT pg_sleep(30) IS NULL"),
                deadline: .milliseconds(100),
                decode: { try $0.decode(0, as: Bool.self) },
                deliver: { _ in }
            )
        }
        #expect(error?.code == .deadlineExceeded)
        #expect(connection.isUsable)
        await connection.close()
    }

    @Test func runsWithItsPreambleInOneTransaction() async throws {
        let connection = try await connect()
        try await connection.stream(
            Query("SELECT current_setting('app.tenant') || current_setting('transaction_read_only')"),
            preamble: [Query("SET LOCAL app.tenant = '7'")],
            deadline: .seconds(20),
            decode: { try $0.decode(0, as: String.self) },
            deliver: { #expect($0 == ["7on"]) }
        )
        #expect(connection.isUsable)
        #expect(try await connection.value("SELECT coalesce(current_setting('app.tenant', true), '')", as: String.self) == "")
        await connection.close()
    }

    @Test func survivesBeingClosedInMidStream() async throws {
        let connection = try await connect()
        let error = await postgresError { try await stream(connection, 100_000) { _ in await connection.close() } }
        #expect(error?.code == .connectionLost)
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
