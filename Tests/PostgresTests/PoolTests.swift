import Glibc
@testable import Postgres
import TestSupport
import Testing

@Suite(.fewAtOnce) struct PoolTests {
    private struct Unhappy: Error {}

    private func makePool(_ maximum: Int, _ configuration: ConnectionConfiguration? = nil) async throws -> ConnectionPool {
        let configuration = if let configuration { configuration } else { try await makeConfiguration() }
        return ConnectionPool(PoolConfiguration(connection: configuration, maximumConnections: maximum))
    }

    private func pid(_ pool: ConnectionPool) async throws -> Int32 {
        try await pool.withConnection(deadline: soon) { try await $0.value("SELECT pg_backend_pid()", as: Int32.self) }
    }

    @Test func servesTwoHundredCallersOnFourConnections() async throws {
        let pool = try await makePool(4)
        let gauge = Shared((now: 0, most: 0, pids: Set<Int32>()))
        let sum = try await withThrowingTaskGroup(of: Int64.self) { group in
            for number in 1...200 {
                group.addTask {
                    try await pool.withConnection(deadline: soon) { connection in
                        gauge.withLock { gauge in
                            gauge.now += 1
                            gauge.most = max(gauge.most, gauge.now)
                            gauge.pids.insert(connection.serverBackendPID)
                        }
                        defer { gauge.withLock { $0.now -= 1 } }
                        return try await connection.value("SELECT $1 FROM pg_sleep(0.001)", bindings(Int64(number)), as: Int64.self)
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(sum == 20_100)
        #expect(gauge.withLock { $0.most } == 4)
        #expect(gauge.withLock { $0.pids.count } == 4)
        #expect(pool.statistics == PoolStatistics(open: 4, idle: 4, leased: 0, waiting: 0, connecting: 0))
        await pool.close()
        #expect(pool.statistics.open == 0)
    }

    @Test func timesOutWhenNoneComesFree() async throws {
        let pool = try await makePool(1)
        try await pool.withConnection(deadline: soon) { _ in
            let error = await postgresError { try await pool.withConnection(deadline: .now + .milliseconds(50)) { _ in } }
            #expect(error?.code == .poolTimeout)
            #expect(pool.statistics.waiting == 0)
        }
        try await pool.withConnection(deadline: soon) { _ in }
        await pool.close()
    }

    @Test func aCancelledWaiterLeavesTheQueue() async throws {
        let pool = try await makePool(1)
        try await pool.withConnection(deadline: soon) { _ in
            let waiter = Task { await postgresError { try await pool.withConnection(deadline: soon) { _ in } } }
            let isWaiting = try await eventually { pool.statistics.waiting == 1 }
            #expect(isWaiting)
            waiter.cancel()
            #expect(await waiter.value?.code == .cancelled)
            #expect(pool.statistics.waiting == 0)
        }
        await pool.close()
    }

    @Test func timeoutSaysWhyConnectingFails() async throws {
        let configuration = try ConnectionConfiguration(url: "host=/nonexistent user=x password=hunter2")
        let pool = try await makePool(1, configuration)
        let patient = Task { await postgresError { try await pool.withConnection(deadline: soon) { _ in } } }
        #expect(try await eventually { pool.lastConnectFailure != nil })
        let start = ContinuousClock.now
        let error = await postgresError { try await pool.withConnection(deadline: start + .milliseconds(50)) { _ in } }
        #expect(error?.code == .poolTimeout)
        #expect(error?.message.contains("/nonexistent") == true)
        #expect(error?.message.contains("hunter2") == false)
        #expect(ContinuousClock.now - start < .seconds(20))
        patient.cancel()
        #expect(await patient.value?.code == .cancelled)
        await pool.close()
    }

    @Test func replacesAConnectionLeftInATransaction() async throws {
        let pool = try await makePool(1)
        let first = try await pid(pool)
        #expect(try await pid(pool) == first)
        try await pool.withConnection(deadline: soon) { try await $0.executeScript("BEGIN", deadline: soon) }
        let second = try await pid(pool)
        #expect(second != first)
        await #expect(throws: Unhappy.self) { try await pool.withConnection(deadline: soon) { _ in throw Unhappy() } }
        #expect(try await pid(pool) == second)
        await pool.close()
    }

    @Test func findsDeadConnectionsBeforeHandingThemOut() async throws {
        let pool = try await makePool(2)
        let observer = try await connect()
        let victims = try await pool.withConnection(deadline: soon) { first in
            try await pool.withConnection(deadline: soon) { second in [first.serverBackendPID, second.serverBackendPID] }
        }
        #expect(pool.statistics.idle == 2)
        _ = try await observer.execute(
            Query(
                "SELECT pg_terminate_backend(p, 5000) FROM unnest($1) p",
                { () -> Bindings in
                    var bindings = Bindings()
                    bindings.append(victims)
                    return bindings
                }()
            ),
            deadline: soon
        )
        let fresh = try await pid(pool)
        #expect(!victims.contains(fresh))
        await observer.close()
        await pool.close()
    }

    @Test func probesAConnectionThatRested() async throws {
        let configuration = try ConnectionConfiguration(url: try await TestCluster.shared().makeDatabase())
        let pool = ConnectionPool(
            PoolConfiguration(connection: configuration, maximumConnections: 1, idleCheckAfter: .zero)
        )
        let first = try await pid(pool)
        #expect(try await pid(pool) == first)
        // A stopped backend looks alive from outside; only the probe finds it.
        try TestCluster.signal(first, SIGSTOP)
        defer { kill(first, SIGCONT) }
        let second = try await pid(pool)
        #expect(second != first)
        await pool.close()
    }

    @Test func replacesConnectionsByAge() async throws {
        let pool = ConnectionPool(
            PoolConfiguration(connection: try await makeConfiguration(), maximumConnections: 1, maximumLifetime: .zero)
        )
        let first = try await pid(pool)
        #expect(try await pid(pool) != first)
        await pool.close()
    }

    @Test func preparesEachNewConnection() async throws {
        let count = Shared(0)
        let configuration = PoolConfiguration(connection: try await makeConfiguration(), maximumConnections: 2) { connection in
            count.withLock { $0 += 1 }
            try await connection.executeScript("SET app.ready = 'yes'", deadline: soon)
        }
        let pool = ConnectionPool(configuration)
        for _ in 0..<2 {
            let ready = try await pool.withConnection(deadline: soon) {
                try await $0.value("SELECT current_setting('app.ready')", as: String.self)
            }
            #expect(ready == "yes")
        }
        #expect(count.withLock { $0 } == 1)
        await pool.close()
    }

    @Test func recoversWhenTheServerComesBack() async throws {
        let cluster = try await TestCluster.startPrivate()
        let configuration = try ConnectionConfiguration(url: try await cluster.makeDatabase())
        let pool = try await makePool(2, configuration)
        let observer = try await connect(configuration)
        let pids = Shared<[Int32]>([])
        let running = Task {
            await postgresError {
                try await pool.withConnection(deadline: soon) { connection in
                    pids.withLock { $0 = [connection.serverBackendPID] }
                    _ = try await connection.execute(Query("SELECT pg_sleep(30)"), deadline: soon)
                }
            }
        }
        let isSleeping = try await eventually {
            guard let pid = pids.withLock({ $0.first }) else { return false }
            return try await isActive(pid, observer)
        }
        #expect(isSleeping)
        // To the postmaster: shut down at once.
        try TestCluster.signal(try #require(await cluster.postmasterPID), SIGQUIT)
        let lost = await running.value
        #expect(lost?.code == .connectionLost)
        // Asked while the server is away, answered when it is back.
        let patient = Task { try await pool.withConnection(deadline: soon) { try await $0.value("SELECT 7", as: Int32.self) } }
        let hasFailed = try await eventually { pool.lastConnectFailure != nil }
        #expect(hasFailed)
        try await cluster.stop()
        try await cluster.start()
        #expect(try await patient.value == 7)
        await pool.close()
        await observer.close()
        try await cluster.remove()
    }

    @Test func closingWaitsForWhatIsLeased() async throws {
        let pool = try await makePool(1)
        let hasClosed = Shared(false)
        let closing = try await pool.withConnection(deadline: soon) { connection in
            let closing = Task {
                await pool.close()
                hasClosed.withLock { $0 = true }
            }
            let isRefusing = try await eventually {
                let error = await postgresError { try await pool.withConnection(deadline: .now + .milliseconds(5)) { _ in } }
                return error?.code == .poolClosed
            }
            #expect(isRefusing)
            #expect(!hasClosed.withLock { $0 })
            let answer = try await connection.value("SELECT 1", as: Int32.self)
            #expect(answer == 1)
            return closing
        }
        await closing.value
        #expect(pool.statistics == PoolStatistics(open: 0, idle: 0, leased: 0, waiting: 0, connecting: 0))
    }

    @Test func closingCutsOffWhatTakesTooLong() async throws {
        let pool = try await makePool(1)
        let observer = try await connect()
        let pid = Shared<Int32>(0)
        let running = Task {
            await postgresError {
                try await pool.withConnection(deadline: soon) { connection in
                    pid.withLock { $0 = connection.serverBackendPID }
                    _ = try await connection.execute(Query("SELECT pg_sleep(30)"), deadline: soon)
                }
            }
        }
        #expect(try await eventually { try await isActive(pid.withLock { $0 }, observer) })
        let start = ContinuousClock.now
        await pool.close(deadline: start + .milliseconds(50))
        #expect(await running.value?.code == .connectionLost)
        #expect(ContinuousClock.now - start < .seconds(20))
        await observer.close()
    }
}
