import Configuration
import EventStore
import Foundation
import Hummingbird
import LogLines
import Logging
import Metrics
import Postgres
import ServiceLifecycle
import UnixSignals

@main
struct SluiceAPI {
    private static let usage = """
        sluice-api: the HTTP API of Sluice. It takes no arguments; settings come by the environment. The first of them are DATABASE_URL,
        LISTEN and ADMIN_LISTEN; the README has a table of all. sluice up runs it beside a PostgreSQL of its own.
        """

    static func main() async {
        let arguments = CommandLine.arguments.dropFirst()
        if arguments == ["--help"] || arguments == ["-h"] { return print(usage) }
        guard arguments.isEmpty else {
            printToStandardError(usage)
            exit(64)
        }
        do {
            // A reader of the log that goes away is an error of that write, no end of this server.
            signal(SIGPIPE, SIG_IGN)
            let configuration = try APIConfiguration(ConfigReader(provider: EnvironmentVariablesProvider()))
            let observation = Observation(configuration)
            defer { observation.log.drain(within: .seconds(1)) }
            LoggingSystem.bootstrap { ClosingLogHandler(QueuedLogHandler(observation.log, label: $0), closing: observation.closing) }
            MetricsSystem.bootstrap(observation.registry)
            var logger = Logger(label: "sluice-api")
            logger.logLevel = configuration.logLevel
            try await refuseUnsafeLogin(configuration, logger: logger)
            try await run(configuration, observation, logger: logger)
        } catch {
            printToStandardError("sluice-api: \(error)")
            exit(1)
        }
    }

    /// Until a signal ends it: first `/readyz` says so, for as long as a load balancer needs to notice; then no more is taken.
    private static func run(_ configuration: APIConfiguration, _ observation: Observation, logger: Logger) async throws {
        let services: [any Service] = [
            try buildApplication(configuration, observing: observation, logger: logger),
            DrainNotice(sign: observation.closing, delay: configuration.drainDelay),
        ]
        try await ServiceGroup(
            configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        ).run()
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
