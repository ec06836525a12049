import Configuration
import EventStore
import Foundation
import Postgres

/// What the tool is told by its environment.
struct AdminSettings: Sendable {
    private let config: ConfigReader
    /// Where `sluice up` keeps everything.
    let home: Home

    init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        config = ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: environment))
        home = Home(config.string(forKey: "sluice.home", default: ".sluice"))
    }

    /// Days, for new tenants.
    var retentionDays: Int { config.int(forKey: "database.retention.days", default: 90) }

    /// Connects to `DATABASE_ADMIN_URL`, else `DATABASE_URL`, else the database of a `sluice up` in this folder.
    func connect() async throws -> Connection {
        let url =
            config.string(forKey: "database.admin.url", isSecret: true)
            ?? config.string(forKey: "database.url", isSecret: true)
            ?? (try? DemoFile.read(home))?.databaseURL
        guard let url, !url.isEmpty else {
            throw Failure("no database: set DATABASE_ADMIN_URL, like postgresql://admin@db.example/sluice, or start sluice up here")
        }
        let configuration = try ConnectionConfiguration(url: url, applicationName: "sluice")
        return try await Connection.connect(configuration, deadline: .now + .seconds(10))
    }

    /// Does something as the operator, on a connection of its own.
    func administer<T: Sendable>(_ body: @Sendable (Administration) async throws -> T) async throws -> T {
        let connection = try await connect()
        do {
            let result = try await body(Administration(connection: connection, actor: Self.actor))
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw error
        }
    }

    /// As the audit log names who acts here.
    static var actor: String { "cli:\(NSUserName())" }
}
