import Access
import EventStore
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle

/// Builds the whole server: the one place where its parts are put together, for `main` and for tests.
func buildApplication(
    _ configuration: APIConfiguration,
    logger: Logger,
    onServerRunning: @escaping @Sendable (any Channel) async -> Void = { _ in }
) -> some ApplicationProtocol {
    let database = Database(configuration.database, maximumConnections: configuration.databaseConnections)
    let probeDatabase = Database(configuration.database, maximumConnections: 1)
    let installation = Installation(database)
    let deadline = configuration.requestDeadline

    let table = RouteTable(
        ingest: IngestRoutes(
            sources: SourceDirectory(database, timeout: deadline),
            writer: EventWriter(database),
            requestDeadline: deadline,
            maximumRecordSize: configuration.maximumRecordSize
        ),
        events: EventRoutes(reader: EventReader(database), cursors: CursorSource(installation), requestDeadline: deadline),
        health: HealthRoutes(probe: HealthProbe(Installation(probeDatabase)))
    )
    let gate = Gate(authenticator: Authenticator(keys: KeyStore(database, timeout: deadline)))

    let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
    router.add(middleware: ProblemMiddleware())
    router.add(table, gate: gate)

    return Application(
        router: router,
        configuration: ApplicationConfiguration(
            address: .hostname(configuration.listen.host, port: configuration.listen.port),
            serverName: "sluice"
        ),
        services: [DatabaseService(databases: [database, probeDatabase]), MonthKeeper(installation: installation, logger: logger)],
        onServerRunning: { channel in
            logger.notice("Listening", metadata: ["address": "\(channel.localAddress.map(String.init(describing:)) ?? "?")"])
            await onServerRunning(channel)
        },
        logger: logger
    )
}
