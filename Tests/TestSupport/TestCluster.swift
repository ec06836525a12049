package import Foundation
package import LocalCluster
internal import Synchronization

/// A real PostgreSQL for tests: its own server and directory, gone when the test process is.
///
/// ```swift
/// let cluster = try await TestCluster.shared()
/// let url = try await cluster.makeDatabase()
/// ```
package final class TestCluster: Sendable {
    package static let superuser = "sluice_super"
    /// Roles that a test can log in as without a password, once it has created them.
    package static let peerRoles = ["sluice_owner", "sluice_api", "sluice_writer", "sluice_reader"]

    /// Its `/tmp` directory: `data`, `postgres.log`, the socket's folder.
    package let directory: String
    package let local: LocalCluster

    private init(directory: String, local: LocalCluster) {
        self.directory = directory
        self.local = local
    }

    private static let sharedStart = Task { try await startPrivate(durability: .fast) }

    /// The one that all tests of this process share, each with databases of its own: not to be stopped or killed.
    package static func shared() async throws -> TestCluster { try await sharedStart.value }

    /// One for a test that stops it, kills it or counts what it does. Call ``remove()`` at the end; the end of the process does too.
    package static func startPrivate(durability: LocalCluster.Durability = .fast) async throws -> TestCluster {
        let directory = try TestDirectories.shared.make()
        let local = LocalCluster(
            directory: directory,
            binaries: try await PostgresBinaries.find(),
            account: try .current(),
            superuser: superuser,
            peerRoles: peerRoles,
            durability: durability,
            maxConnections: 600
        )
        let cluster = TestCluster(directory: directory, local: local)
        try await cluster.start()
        return cluster
    }

    package func start() async throws { try await local.start() }

    package func stop(_ mode: LocalCluster.StopMode = .fast) async throws { try await local.stop(mode) }

    /// Stops it and deletes all it stored.
    package func remove() async throws {
        try await local.stop(.immediate)
        TestDirectories.shared.remove(directory)
    }

    /// nil when it does not run.
    package var postmasterPID: pid_t? { get async { await local.postmasterPID } }

    package var socketDirectory: String { local.socketDirectory }

    package func url(role: String, database: String) -> String { local.url(role: role, database: database) }

    /// The superuser's URL of a fresh database, empty or a copy of `template`, to which nobody may be connected meanwhile.
    package func makeDatabase(template: String? = nil) async throws -> String {
        let name = "test_\(Self.databases.add(1, ordering: .relaxed).newValue)"
        try await psql("CREATE DATABASE \(name)" + (template.map { " TEMPLATE \"\($0)\"" } ?? ""))
        return url(role: Self.superuser, database: name)
    }

    private static let databases = Atomic(0)

    /// Runs SQL as the superuser with PostgreSQL's own client; returns the rows, columns divided by `|`.
    @discardableResult
    package func psql(_ sql: String, database: String = "postgres") async throws -> String {
        let command = ChildCommand(
            local.binaries.path("psql"),
            ["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", sql, url(role: Self.superuser, database: database)],
            environment: ["LC_ALL": "C"]
        )
        let result = try await ProcessSpawner.shared.run(command)
        guard result.status == .exited(0) else { throw TestClusterError(description: "psql: \(sql): \(result.output)") }
        return result.output.trimmingCharacters(in: .newlines)
    }

    /// For tests that stop, continue or kill a server or one of its backends.
    package static func signal(_ pid: pid_t, _ signal: Int32) throws {
        guard kill(pid, signal) == 0 else {
            throw TestClusterError(description: "signal \(signal) to process \(pid): \(String(cString: strerror(errno)))")
        }
    }
}

package struct TestClusterError: Error, CustomStringConvertible {
    package var description: String
}
