internal import LocalCluster
internal import Foundation
internal import Postgres

/// PgBouncer in transaction mode before a cluster, as a private process: nobody's configuration is read, nothing is installed.
package final class TestPooler: Sendable {
    private let process: ChildProcess
    private let directory: String
    private let port: Int

    private init(process: ChildProcess, directory: String, port: Int) {
        self.process = process
        self.directory = directory
        self.port = port
    }

    /// With `SLUICE_TEST_POOLER=1`, the way to the same database through a PgBouncer before its cluster, for the API's role; else as it is.
    package static func between(_ url: String) async throws -> String {
        guard ProcessInfo.processInfo.environment["SLUICE_TEST_POOLER"] == "1" else { return url }
        let configuration = try ConnectionConfiguration(url: url)
        guard configuration.value(of: "user") == "sluice_api", let socket = configuration.value(of: "host"), socket.hasPrefix("/"),
            let database = configuration.value(of: "dbname")
        else { return url }
        return try await shared.pooler(before: socket).url(role: "sluice_api", database: database)
    }

    private static let shared = SharedPoolers()

    package static func start(before cluster: TestCluster) async throws -> TestPooler {
        try await start(beforeSocketIn: cluster.socketDirectory, account: cluster.local.account)
    }

    fileprivate static func start(beforeSocketIn socketDirectory: String, account: ServiceAccount) async throws -> TestPooler {
        let port = try FreePort.find()
        let places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"]
        guard let program = places.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            throw TestClusterError(description: "PgBouncer is missing: run scripts/setup.sh, or apt-get install pgbouncer")
        }
        let directory = try TestDirectories.shared.make()
        let settings = """
            [databases]
            * = host=\(socketDirectory) port=5432
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = \(port)
            unix_socket_dir =
            auth_type = trust
            auth_file = \(directory)/users
            pool_mode = transaction
            default_pool_size = 20
            max_client_conn = 2000
            query_wait_timeout = 5
            server_connect_timeout = 3
            server_login_retry = 1
            ignore_startup_parameters = extra_float_digits,options
            """
        // Nothing in them is secret, and PgBouncer runs as another user when this is root.
        for (name, text) in ["pgbouncer.ini": settings, "users": TestCluster.peerRoles.map { "\"\($0)\" \"\"" }.joined(separator: "\n")] {
            guard
                FileManager.default.createFile(
                    atPath: "\(directory)/\(name)",
                    contents: Data("\(text)\n".utf8),
                    attributes: [.posixPermissions: 0o644]
                )
            else { throw TestClusterError(description: "cannot write \(directory)/\(name)") }
        }
        let command = ChildCommand(
            program,
            ["\(directory)/pgbouncer.ini"],
            environment: ["LC_ALL": "C"],
            output: .appended(to: "\(directory)/pgbouncer.log"),
            signalOnParentDeath: .terminate,
            account: account
        )
        let pooler = TestPooler(process: try await ProcessSpawner.shared.spawn(command), directory: directory, port: port)
        let isUp = try await eventually { pooler.process.status != nil || pooler.log.contains("process up") }
        guard isUp, pooler.process.status == nil else {
            throw TestClusterError(description: "PgBouncer did not start: \(pooler.log)")
        }
        return pooler
    }

    package func url(role: String, database: String) -> String { "postgresql://\(role)@127.0.0.1:\(port)/\(database)" }

    package var log: String { (try? String(contentsOfFile: "\(directory)/pgbouncer.log", encoding: .utf8)) ?? "" }

    package func stop() async {
        await process.terminate(signal: SIGINT, grace: .seconds(5))
        TestDirectories.shared.remove(directory)
    }
}

/// One before each cluster, made when it is first needed. They end with this process.
private actor SharedPoolers {
    private var poolers: [String: Task<TestPooler, any Error>] = [:]

    func pooler(before socketDirectory: String) async throws -> TestPooler {
        if let known = poolers[socketDirectory] { return try await known.value }
        let starting = Task { try await TestPooler.start(beforeSocketIn: socketDirectory, account: try ServiceAccount.current()) }
        poolers[socketDirectory] = starting
        return try await starting.value
    }
}
