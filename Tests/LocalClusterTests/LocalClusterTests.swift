import Foundation
import LocalCluster
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2)))
struct LocalClusterTests {
    @Test func startsAndAnswersOverTheSocketOnly() async throws {
        let cluster = try await TestCluster.shared()
        #expect(try await cluster.psql("SHOW listen_addresses") == "")
        #expect(try await cluster.psql("SHOW server_encoding") == "UTF8")
        #expect(try await cluster.psql("SHOW max_connections") == "600")
        #expect(try await cluster.psql("SHOW idle_in_transaction_session_timeout") == "5s")
        #expect(try await cluster.psql("SELECT current_user") == TestCluster.superuser)
    }

    @Test func makesDatabasesOfTheirOwn() async throws {
        let cluster = try await TestCluster.shared()
        async let first = cluster.makeDatabase()
        async let second = cluster.makeDatabase()
        let urls = try await [first, second]
        #expect(urls[0] != urls[1])

        let name = try #require(urls[0].firstMatch(of: /\/(test_[0-9]+)\?/)).1
        try await cluster.psql("CREATE TABLE here AS SELECT 7 AS n", database: String(name))
        let copy = try await cluster.makeDatabase(template: String(name))
        let copyName = try #require(copy.firstMatch(of: /\/(test_[0-9]+)\?/)).1
        #expect(try await cluster.psql("SELECT n FROM here", database: String(copyName)) == "7")
    }

    @Test func otherRolesNeedAPassword() async throws {
        let cluster = try await TestCluster.shared()
        try await cluster.psql("CREATE ROLE stranger LOGIN")
        let command = ChildCommand(
            cluster.local.binaries.path("psql"),
            ["-Xw", cluster.url(role: "stranger", database: "postgres"), "-c", "SELECT 1"],
            environment: ["LC_ALL": "C"]
        )
        let result = try await ProcessSpawner.shared.run(command)
        #expect(result.status == .exited(2))
        #expect(result.output.contains("no password supplied"))
    }

    @Test func survivesKillOfThePostmaster() async throws {
        let cluster = try await TestCluster.startPrivate(durability: .durable)
        try await cluster.psql("CREATE TABLE kept AS SELECT 42 AS n")
        try TestCluster.signal(try #require(await cluster.postmasterPID), SIGKILL)
        #expect(await cluster.local.exited() == .signalled(SIGKILL))
        try await cluster.start()
        #expect(try await cluster.psql("SELECT n FROM kept") == "42")
        try await cluster.remove()
    }

    @Test(arguments: [LocalCluster.StopMode.fast, .immediate])
    func stopLeavesNoProcess(mode: LocalCluster.StopMode) async throws {
        let cluster = try await TestCluster.startPrivate()
        let data = cluster.local.dataDirectory
        #expect(processes(in: data).count > 1)
        try await cluster.stop(mode)
        #expect(await cluster.postmasterPID == nil)
        #expect(try await eventually { processes(in: data).isEmpty })
        try await cluster.remove()
    }

    @Test func stopGoesOnWithAServerThatHangs() async throws {
        let cluster = try await TestCluster.startPrivate()
        try TestCluster.signal(try #require(await cluster.postmasterPID), SIGSTOP)
        try await cluster.local.stop(.fast, grace: .milliseconds(50))
        #expect(await cluster.postmasterPID == nil)
        let data = cluster.local.dataDirectory
        #expect(try await eventually { processes(in: data).isEmpty })
        try await cluster.remove()
    }

    @Test func stopsAServerThatSomebodyRestarted() async throws {
        let cluster = try await TestCluster.startPrivate()
        let before = await cluster.postmasterPID
        let restart = ChildCommand(
            cluster.local.binaries.path("pg_ctl"),
            ["-D", cluster.local.dataDirectory, "-w", "-m", "fast", "restart"],
            environment: ["LC_ALL": "C"],
            directory: "/",
            account: cluster.local.account
        )
        let result = try await ProcessSpawner.shared.run(restart)
        #expect(result.status == .exited(0), "\(result.output)")
        #expect(await cluster.local.exited() == .exited(0))
        let after = await cluster.postmasterPID
        #expect(after != nil && after != before)
        try await cluster.stop()
        #expect(await cluster.postmasterPID == nil)
        try await cluster.remove()
    }

    @Test func refusesASecondStart() async throws {
        let cluster = try await TestCluster.startPrivate()
        let second = makeCluster(cluster.directory, like: cluster.local)
        let error = await #expect(throws: LocalClusterError.self) { try await second.start() }
        #expect(error?.code == .alreadyRunning)
        #expect(error?.description.contains("\(getpid())") == true)
        // What is not ours is not ours to stop.
        try await second.stop()
        #expect(await cluster.postmasterPID != nil)
        let again = await #expect(throws: LocalClusterError.self) { try await cluster.start() }
        #expect(again?.code == .alreadyRunning)
        try await cluster.remove()
    }

    @Test func saysWhatPostgresSaidWhenItDoesNotStart() async throws {
        let cluster = try await TestCluster.startPrivate()
        try await cluster.stop()
        try Data("nonsense = 1\n".utf8).write(to: URL(filePath: "\(cluster.local.dataDirectory)/postgresql.auto.conf"))
        let error = await #expect(throws: LocalClusterError.self) { try await cluster.start() }
        #expect(error?.code == .startFailed)
        #expect(error?.description.contains("nonsense") == true)
        try await cluster.remove()
    }

    @Test func aCancelledStartLeavesNothingRunning() async throws {
        let cluster = try await TestCluster.startPrivate()
        try await cluster.stop()
        let start = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await cluster.start()
        }
        await #expect(throws: CancellationError.self) { try await start.value }
        #expect(await cluster.postmasterPID == nil)
        try await cluster.start()
        try await cluster.remove()
    }

    @Test func refusesAnotherMajorsData() async throws {
        let cluster = try await TestCluster.startPrivate()
        try await cluster.stop()
        try Data("9.6\n".utf8).write(to: URL(filePath: "\(cluster.local.dataDirectory)/PG_VERSION"))
        let error = await #expect(throws: LocalClusterError.self) { try await cluster.start() }
        #expect(error?.code == .versionMismatch)
        try await cluster.remove()
    }

    @Test func logHoldsNoData() async throws {
        let cluster = try await TestCluster.startPrivate()
        await #expect(throws: TestClusterError.self) { try await cluster.psql("SELECT 'secret-in-statement'::int") }
        await #expect(throws: TestClusterError.self) {
            try await cluster.psql("DO $$ BEGIN RAISE WARNING 'secret-in-warning'; RAISE 'secret-in-error'; END $$")
        }
        // The crash of a backend makes the postmaster log what it was doing.
        await #expect(throws: TestClusterError.self) {
            try await cluster.psql("COPY (SELECT 'secret-in-crash') TO PROGRAM 'kill -9 $PPID'")
        }
        // PostgreSQL 15 does not always heed a fast shutdown that comes in the middle of a recovery.
        #expect(try await eventually { (try? await cluster.psql("SELECT 1")) == "1" })
        try await cluster.stop()
        let log = try String(contentsOfFile: cluster.local.logFile, encoding: .utf8)
        #expect(log.contains("terminated by signal 9"))
        #expect(!log.contains("secret"))
        try await cluster.remove()
    }
}

func makeCluster(_ directory: String, like other: LocalCluster) -> LocalCluster {
    LocalCluster(
        directory: directory,
        binaries: other.binaries,
        account: other.account,
        superuser: other.superuser,
        peerRoles: [],
        durability: .fast
    )
}

/// Those that work in a directory, as all of a server's do in its data directory. A zombie works nowhere.
func processes(in directory: String) -> [pid_t] {
    let numbers = (try? FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }) ?? []
    return numbers.filter { (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/cwd")) == directory }
}
