import Foundation
import Migrations
package import Postgres

/// A fresh database with Sluice's tables, copied from one that is migrated once a test process.
package struct MigratedDatabase: Sendable {
    /// The cluster's superuser.
    package let adminURL: String
    /// The role `sluice_api`.
    package let apiURL: String

    package static func make() async throws -> MigratedDatabase {
        let cluster = try await TestCluster.shared()
        return try await make(in: cluster, template: template.value)
    }

    /// In a cluster that a test stops or kills.
    package static func make(in cluster: TestCluster) async throws -> MigratedDatabase {
        let url = try await cluster.makeDatabase()
        try await migrate(url)
        return MigratedDatabase(adminURL: url, in: cluster)
    }

    private static func make(in cluster: TestCluster, template: String) async throws -> MigratedDatabase {
        MigratedDatabase(adminURL: try await cluster.makeDatabase(template: template), in: cluster)
    }

    private init(adminURL: String, in cluster: TestCluster) {
        self.adminURL = adminURL
        apiURL = cluster.url(role: "sluice_api", database: databaseName(adminURL))
    }

    /// The role `sluice_api`, through PgBouncer.
    package func apiURL(through pooler: TestPooler) -> String {
        pooler.url(role: "sluice_api", database: databaseName(adminURL))
    }

    /// A connection of the superuser's.
    package func connect() async throws -> Connection {
        try await Connection.connect(try ConnectionConfiguration(url: adminURL), deadline: .now + .seconds(10))
    }

    /// What a query returns as text, a row a line, columns divided by `|`.
    @discardableResult
    package func psql(_ sql: String) async throws -> String {
        // A copied database has not the settings of its template.
        try await TestCluster.shared().psql("SET search_path = sluice; \(sql)", database: databaseName(adminURL))
    }

    private static let template = Task {
        let url = try await TestCluster.shared().makeDatabase()
        try await migrate(url)
        return databaseName(url)
    }

    private static func migrate(_ url: String) async throws {
        let connection = try await Connection.connect(try ConnectionConfiguration(url: url), deadline: .now + .seconds(10))
        _ = try await Migrator(connection: connection).migrate(deadline: .now + .seconds(60))
        await connection.close()
    }
}

/// The database's name in a URL that a cluster made.
private func databaseName(_ url: String) -> String {
    String(url.split(separator: "/").last?.prefix { $0 != "?" } ?? "")
}

/// Where the programs of this build lie.
package enum BuiltProgram {
    package static func path(_ name: String) throws -> String {
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let folders = [URL(filePath: tests), URL(filePath: CommandLine.arguments[0])].map { $0.deletingLastPathComponent() }
        for folder in folders {
            let path = folder.appending(path: name).path(percentEncoded: false)
            if FileManager.default.isExecutableFile(atPath: path) { return path }
        }
        throw TestClusterError(description: "\(name) is not built beside the tests in \(folders.map { $0.path(percentEncoded: false) })")
    }
}
