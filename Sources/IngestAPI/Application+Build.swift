import Access
import EventStore
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle

/// Builds the whole server: the one place where its parts are put together, for `main` and for tests.
func buildApplication(
    _ configuration: APIConfiguration,
    logger: Logger
) -> some ApplicationProtocol {
    let database = Database(configuration.database, maximumConnections: configuration.databaseConnections)
    let probe = ReadinessProbe(configuration.database)
    let installation = Installation(database)
    let deadline = configuration.requestDeadline
    let lanes = Lanes(configuration.database, settings: LaneSettings(lanes: configuration.lanes))

    let sources = SourceDirectory(database, timeout: deadline / 3)
    let ingest = IngestRoutes(
        sources: sources,
        lanes: lanes,
        limits: configuration.limits
    )
    let isolation = IsolationReport(logger: logger)
    let health = HealthProbe(probe) { isolation.report($0) }

    let table = RouteTable(
        ingest: ingest,
        events: EventRoutes(reader: EventReader(database), cursors: CursorSource(installation), requestDeadline: deadline),
        health: HealthRoutes(probe: health)
    )
    let tokens = TokenVerifier(
        issuers: IssuerStore(database, timeout: deadline / 3),
        remoteKeys: RemoteKeySets(KeySetDownload(configuration.keySets), logger: logger)
    )
    let gate = Gate(
        authenticator: Authenticator(keys: KeyStore(database, timeout: deadline / 3), tokens: tokens),
        sources: sources
    )

    let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
    router.add(middleware: ProblemMiddleware())
    router.add(table, gate: gate)

    return Application(
        router: router,
        server: HTTPServerBuilder { responder in
            APIChannel(
                base: HTTP1Channel(responder: responder),
                settings: APIChannel.Settings(bodyDeadline: TimeAmount(deadline)),
                direct: DirectIngest(gate: gate, routes: ingest)
            )
        },
        configuration: ApplicationConfiguration(
            address: .hostname(configuration.listen.host, port: configuration.listen.port),
            serverName: "sluice",
            availableConnectionsDelegate: MaximumAvailableConnections(configuration.maximumConnections)
        ),
        services: [
            DatabaseService(database: database, probe: probe), LaneService(lanes: lanes),
            Housekeeper(installation: installation, logger: logger), IsolationWatch(probe: health),
        ],
        logger: logger
    )
}
