import Configuration
import EventStore
import Foundation
import Hummingbird
import Logging
import Postgres

@main
struct SluiceAPI {
    static func main() async {
        do {
            let configuration = try APIConfiguration(ConfigReader(provider: EnvironmentVariablesProvider()))
            LoggingSystem.bootstrap(StreamLogHandler.standardError)
            var logger = Logger(label: "sluice-api")
            logger.logLevel = configuration.logLevel
            try await refuseUnsafeLogin(configuration, logger: logger)
            try await buildApplication(configuration, logger: logger).runService()
        } catch {
            printToStandardError("sluice-api: \(error)")
            exit(1)
        }
    }

    /// Ends the process when the database login could read every tenant. A database that is away is no reason not to start:
    /// every new connection is checked again, and `/readyz` says 503 until one is there.
    private static func refuseUnsafeLogin(_ configuration: APIConfiguration, logger: Logger) async throws {
        do {
            try await Database.checkLogin(configuration.database, deadline: .now + .seconds(3))
        } catch let error as PostgresError {
            logger.warning("The database cannot be reached yet", metadata: ["error": "\(error)"])
        }
    }
}
