import EventStore
import Foundation
import LocalCluster
import Migrations
import Postgres

/// What `sluice up` runs: a private PostgreSQL and the API, watched and stopped together.
actor LocalInstallation {
    private static let superuser = "sluice_admin"
    private static let database = "sluice"

    private let home: Home
    private let listen: LocalAddress
    private let environment: [String: String]
    private let cluster: LocalCluster
    private var api: ChildProcess?
    private var isStopping = false

    init(home: Home, listen: LocalAddress, environment: [String: String]) async throws {
        self.home = home
        self.listen = listen
        self.environment = environment
        let account = try ServiceAccount.current()
        cluster = LocalCluster(
            directory: LocalCluster.location(home: home.path, account: account),
            binaries: try await PostgresBinaries.find(environment: environment),
            account: account,
            superuser: Self.superuser,
            peerRoles: ["sluice_api"],
            durability: .durable
        )
    }

    /// Starts everything, says so, and watches it. Returns only with an error that cannot be mended by starting again.
    ///
    /// - Parameter greet: says that all is running.
    func run(greet: @Sendable (DemoFile) throws -> Void) async throws -> any Error {
        try await cluster.start()
        let demo = try await prepareDatabase()
        try demo.write(home)
        try await startAPI()
        try await waitUntilListening()
        try greet(demo)
        return await withTaskGroup(of: (any Error)?.self) { group in
            group.addTask { await self.keepAPIRunning() }
            group.addTask { await self.keepPostgresRunning() }
            for await failure in group {
                guard let failure else { continue }
                group.cancelAll()
                return failure
            }
            return CancellationError()
        }
    }

    /// The API first, so that it can finish what it has begun; within 20 seconds in all.
    func stop() async {
        isStopping = true
        if let api, await api.terminate(signal: SIGTERM, grace: .seconds(10)) == .signalled(SIGKILL) {
            Console.current.error("sluice: sluice-api did not end within 10 seconds and was killed; its senders keep what was not answered")
        }
        do {
            try await cluster.stop(.fast, grace: .seconds(4))
        } catch {
            Console.current.error("sluice: \(error)")
        }
    }

    private func prepareDatabase() async throws -> DemoFile {
        let url = cluster.url(role: Self.superuser, database: Self.database)
        try await makeDatabase()
        let configuration = try ConnectionConfiguration(url: url, applicationName: "sluice up")
        let connection = try await Connection.connect(configuration, deadline: .now + .seconds(10))
        do {
            _ = try await Migrator(connection: connection).migrate(deadline: .now + .seconds(120))
            let tenant = DemoTenant(administration: Administration(connection: connection, actor: AdminSettings.actor))
            let demo = try await tenant.prepare(earlier: try? DemoFile.read(home), baseURL: listen.baseURL, databaseURL: url)
            await connection.close()
            return demo
        } catch {
            await connection.close()
            throw error
        }
    }

    private func makeDatabase() async throws {
        let url = cluster.url(role: Self.superuser, database: "postgres")
        let connection = try await Connection.connect(
            try ConnectionConfiguration(url: url, applicationName: "sluice up"),
            deadline: .now + .seconds(10)
        )
        do {
            try await Administration.createDatabase(Self.database, on: connection)
            await connection.close()
        } catch {
            await connection.close()
            throw error
        }
    }

    private func startAPI() async throws {
        guard !isStopping else { throw CancellationError() }
        var variables = environment
        variables["DATABASE_URL"] = cluster.url(role: "sluice_api", database: Self.database)
        variables["DATABASE_ADMIN_URL"] = nil
        variables["LISTEN"] = listen.text
        let started = try await ProcessSpawner.shared.spawn(
            ChildCommand(
                try Self.besideThisProgram("sluice-api"),
                environment: variables,
                output: .inherited,
                signalOnParentDeath: .terminate
            )
        )
        api = started
        guard !isStopping else {
            // Stopped while it was being started: nobody else waits for this one.
            started.signal(SIGKILL)
            throw CancellationError()
        }
    }

    private func waitUntilListening() async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            let isAnswering = listen.isAnswering()
            if let status = api?.status { throw Failure("sluice-api did not start (\(status)): it says why above") }
            if isAnswering { return }
            guard ContinuousClock.now < deadline else { throw Failure("sluice-api does not listen on \(listen.text) after 30 seconds") }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// An API that ends is started again; one that keeps ending is not.
    private func keepAPIRunning() async -> (any Error)? {
        var failures = 0
        while !isStopping, !Task.isCancelled, let current = api {
            let started = ContinuousClock.now
            let status = await current.waitForExit()
            guard !isStopping, !Task.isCancelled else { return nil }
            failures = ContinuousClock.now - started < .seconds(10) ? failures + 1 : 1
            guard failures < 3 else { return Failure("sluice-api ended three times in a row (\(status)): it says why above") }
            Console.current.error("sluice: sluice-api ended (\(status)); it is started again")
            do { try await startAPI() } catch { return error }
        }
        return nil
    }

    /// A server that crashed or was killed is started again; one that somebody stopped stays as they want it.
    private func keepPostgresRunning() async -> (any Error)? {
        while !isStopping, !Task.isCancelled {
            let status = await cluster.exited()
            guard !isStopping, !Task.isCancelled, let status else { return nil }
            if status == .exited(0) {
                Console.current.error(
                    "sluice: PostgreSQL was stopped from outside, and stays so until it is started (pg_ctl, or a new sluice up)"
                )
                guard await watchForeignServer() else { return nil }
            }
            Console.current.error("sluice: PostgreSQL ended (\(status)); it is started again")
            do { try await cluster.start() } catch { return error }
        }
        return nil
    }

    /// Waits until somebody starts the server again, and then until that one ends; false when all is to stop.
    private func watchForeignServer() async -> Bool {
        var wasRunning = false
        while !isStopping, !Task.isCancelled {
            let isRunning = await cluster.postmasterPID != nil
            if wasRunning, !isRunning { return true }
            wasRunning = isRunning
            try? await Task.sleep(for: .seconds(1))
        }
        return false
    }

    /// What libpq would add to our own URLs from the environment: another port, host or service.
    static func forgetLibpqVariables() {
        for name in ProcessInfo.processInfo.environment.keys where name.hasPrefix("PG") { unsetenv(name) }
    }

    /// The API's program lies where this one does, also when this one was called through a link.
    private static func besideThisProgram(_ name: String) throws -> String {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let path = URL(filePath: own).deletingLastPathComponent().appending(path: name).path(percentEncoded: false)
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw Failure("\(path) is missing: build it beside this program (swift build -c release)")
        }
        return path
    }
}
