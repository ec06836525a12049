import Access
import EventStore
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle

/// Builds the whole server: the one place where its parts are put together, for `main` and for tests.
///
/// - Throws: `TLSPair.Unusable` when it is to speak TLS and cannot.
func buildApplication(
    _ configuration: APIConfiguration,
    observing observation: Observation,
    logger: Logger
) throws -> some ApplicationProtocol {
    let certificate = try configuration.tls.map { files throws(TLSPair.Unusable) in try ServerCertificate(files, logger: logger) }
    let database = Database(configuration.database, maximumConnections: configuration.databaseConnections)
    let probe = ReadinessProbe(configuration.database)
    let installation = Installation(database)
    let deadline = configuration.requestDeadline
    let lanes = Lanes(configuration.database, settings: LaneSettings(lanes: configuration.lanes))
    let epoch = AccessEpoch()
    let admission = Admission(limiter: Limiter(replicas: configuration.replicas), usage: KeyUsage())

    let ingest = IngestRoutes(
        sources: SourceDirectory(database, epoch: epoch, timeout: deadline / 3),
        lanes: lanes,
        limits: configuration.limits,
        admission: admission
    )
    let isolation = IsolationReport(logger: logger)
    let health = HealthProbe(probe) { isolation.report($0) }
    let cursors = CursorSource(installation)
    let reader = EventReader(database, timeout: deadline / 3)
    let table = RouteTable(
        ingest: ingest,
        events: EventRoutes(reader: reader, cursors: cursors, requestDeadline: deadline),
        export: ExportRoutes(reader: reader, requestDeadline: deadline),
        stats: StatsRoutes(reader: reader, requestDeadline: deadline),
        privLog: PrivLogReads(reader: reader, requestDeadline: deadline),
        privLogHealth: PrivLogHealth(probe: health, settings: configuration.privLog),
        openPrivileges: configuration.privLog.opened.map { OpenPrivileges($0, database: database, timeout: deadline / 3) },
        schemas: SchemaRoutes(database: database, requestDeadline: deadline),
        quarantine: QuarantineRoutes(database: database, cursors: cursors, requestDeadline: deadline),
        health: HealthRoutes(probe: health, closing: observation.closing)
    )
    let tokens = TokenVerifier(
        issuers: IssuerStore(database, epoch: epoch, timeout: deadline / 3),
        remoteKeys: RemoteKeySets(KeySetDownload(configuration.keySets), logger: logger)
    )
    let clients = ClientCertificates(
        ClientAuthorityStore(database, epoch: epoch, timeout: deadline / 3),
        logger: logger,
        forgetSessions: { certificate?.forgetSessions() }
    )
    let gate = Gate(
        authenticator: Authenticator(keys: KeyStore(database, epoch: epoch, timeout: deadline / 3), tokens: tokens),
        doorkeeper: Doorkeeper(proxies: configuration.trustedProxies),
        admission: admission,
        ingest: ingest,
        certificates: certificate == nil ? nil : clients
    )

    let ledger = RequestLedger(table.routes, log: configuration.logLevel <= .info ? observation.log : nil)
    Vitals.register(in: observation.registry, lanes: lanes, database: database, log: observation.log)
    certificate?.register(in: observation.registry)
    let tls = certificate.map { TLSEntrance(certificate: $0, clients: clients, deadline: TimeAmount(deadline)) }
    let admin = configuration.adminListen.map { AdminServer(address: $0, registry: observation.registry, logger: logger) }
    var asked: [any Service] = []
    if let admin { asked.append(admin) }
    if let certificate { asked += [CertificateWatch(certificate: certificate), ClientAuthorityWatch(certificates: clients)] }

    let router = Router(context: APIContext.self, options: .autoGenerateHeadEndpoints)
    router.add(middleware: AccessMiddleware(ledger: ledger))
    router.add(middleware: ProblemMiddleware())
    router.add(table, gate: gate)

    return Application(
        router: router,
        server: HTTPServerBuilder { responder in
            APIChannel(
                base: HTTP1Channel(responder: responder),
                settings: APIChannel.Settings(bodyDeadline: TimeAmount(deadline)),
                direct: DirectIngest(gate: gate, routes: ingest, ledger: ledger),
                tls: tls
            )
        },
        configuration: ApplicationConfiguration(
            address: .hostname(configuration.listen.host, port: configuration.listen.port),
            serverName: "sluice",
            availableConnectionsDelegate: MaximumAvailableConnections(
                DescriptorLimit.clients(
                    configuration.maximumConnections,
                    besides: configuration.databaseConnections + configuration.lanes,
                    logger
                )
            )
        ),
        services: [
            DatabaseService(database: database, probe: probe), EpochService(watcher: EpochWatcher(configuration.database, epoch: epoch)),
            UsageService(store: UsageStore(database), limiter: admission.limiter, usage: admission.usage, logger: logger),
            LaneService(lanes: lanes),
            Housekeeper(installation: installation, logger: logger),
            IsolationWatch(probe: health),
            FiguresWatch(
                installation: installation,
                activity: ingest.metrics.activity,
                registry: observation.registry,
                logger: logger,
                pause: configuration.figuresPause
            ),
        ] + asked,
        logger: logger
    )
}
