import Configuration
import EventStore
import Foundation
import Postgres

/// What the tool is told by its environment. A variable that is set to nothing is not set.
struct AdminSettings: Sendable {
    private let config: ConfigReader
    /// Where `sluice up` keeps everything.
    let home: Home

    init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        let isSet = environment.filter { !$0.value.isEmpty }
        config = ConfigReader(provider: EnvironmentVariablesProvider(environmentVariables: isSet))
        home = Home(config.string(forKey: "sluice.home", default: ".sluice"))
    }

    /// Days, for new tenants.
    var retentionDays: Int {
        get throws {
            guard let text = config.string(forKey: "database.retention.days") else { return 90 }
            guard let days = Int(text) else {
                throw Failure("DATABASE_RETENTION_DAYS is a number of days, like 90", exitCode: Failure.askedWrongly)
            }
            return days
        }
    }

    /// Where senders reach the server, as `PUBLIC_URL` says.
    var publicURL: String? { config.string(forKey: "public.url").flatMap { $0.isEmpty ? nil : $0 } }

    /// Connects to `DATABASE_ADMIN_URL`, else `DATABASE_URL`, else the database of a `sluice up` in this folder.
    func connect() async throws -> Connection {
        let (configuration, advice) = try target()
        return try await Self.connect(configuration, advice: advice)
    }

    /// What `connect` connects to, for commands that need more than one connection.
    func databaseConfiguration() throws -> ConnectionConfiguration { try target().configuration }

    /// Where that is, and what to do when nobody is there.
    func target() throws -> (configuration: ConnectionConfiguration, advice: String) {
        let named =
            config.string(forKey: "database.admin.url", isSecret: true) ?? config.string(forKey: "database.url", isSecret: true)
        if let named { return try Self.target(named, advice: "check DATABASE_ADMIN_URL, and that PostgreSQL runs there") }
        guard let own = try? DemoFile.read(home).databaseURL else {
            throw Failure("no database: set DATABASE_ADMIN_URL, like postgresql://admin@db.example/sluice, or start sluice up here")
        }
        LocalInstallation.forgetLibpqVariables()
        return try Self.target(own, advice: "start sluice up, or set DATABASE_ADMIN_URL for another database")
    }

    private static func target(_ url: String, advice: String) throws -> (ConnectionConfiguration, String) {
        do {
            return (try ConnectionConfiguration(url: url, applicationName: "sluice"), advice)
        } catch {
            throw Failure("no connection to PostgreSQL: \(advice) (\(error.message))", exitCode: Failure.askedWrongly)
        }
    }

    private static func connect(_ configuration: ConnectionConfiguration, advice: String) async throws -> Connection {
        do {
            return try await Connection.connect(configuration, deadline: .now + .seconds(10))
        } catch {
            throw Failure("no connection to PostgreSQL: \(advice) (\(error.message))")
        }
    }

    /// A setting of a name like `backup.retention.days`; nil when it is not set.
    func text(_ key: String) -> String? { config.string(forKey: ConfigKey(stringLiteral: key)) }

    /// A whole number of days, 1 and up.
    func days(_ key: String, variable: String, default standard: Int) throws -> Int {
        guard let text = text(key) else { return standard }
        guard let days = Int(text), (1...36_500).contains(days) else {
            throw Failure("\(variable) is a number of days, like \(standard)", exitCode: Failure.askedWrongly)
        }
        return days
    }

    /// `DATABASE_URL`, where the operator's own address is another.
    var separateAPIURL: String? {
        guard config.string(forKey: "database.admin.url", isSecret: true) != nil else { return nil }
        return config.string(forKey: "database.url", isSecret: true)
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
    static var actor: AuditActor { Operator.current() }
}
