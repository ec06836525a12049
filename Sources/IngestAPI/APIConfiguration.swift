import Access
import Configuration
import Foundation
import LogLines
import Logging
import Postgres

/// Everything the API is told, by environment variables (README.md lists them).
struct APIConfiguration: Sendable {
    struct Invalid: Error, CustomStringConvertible {
        let description: String
    }

    var database: ConnectionConfiguration
    var listen: ListenAddress
    /// Nil: the listener speaks plain HTTP.
    var tls: TLSFiles?
    /// Where metrics are served; nil: nowhere.
    var adminListen: ListenAddress?
    var logLevel: Logger.Level
    var logFormat: LogFormat
    var logDestination: LogDestination
    /// Between two looks at what only the database knows for the metrics.
    var figuresPause: Duration
    /// How long a server that is told to stop goes on as before, its `/readyz` at 503: load balancers send no more meanwhile.
    var drainDelay: Duration
    /// How long a request may wait for each thing it waits for.
    var requestDeadline: Duration { limits.requestDeadline }
    var limits: IngestRoutes.Limits
    /// For reading; each lane has one of its own besides.
    var databaseConnections: Int
    var privLog: PrivLogSettings
    /// Connections that write.
    var lanes: Int
    /// Open connections of clients; more wait to be accepted.
    var maximumConnections: Int
    /// How the key sets of JWT issuers are fetched.
    var keySets: KeySetDownload.Settings
    /// Whose `X-Forwarded-For` counts.
    var trustedProxies: TrustedProxies
    /// How many servers share the tenants' limits.
    var replicas: Int

    /// - Throws: `Invalid` or `PostgresError`; neither repeats a URL, which may hold a password.
    init(_ config: ConfigReader) throws {
        guard let url = config.string(forKey: "database.url", isSecret: true), !url.isEmpty else {
            throw Invalid(description: "DATABASE_URL is not set; it is the API's own login, like postgresql://sluice_api@db.example/sluice")
        }
        let prepare = config.string(forKey: "db.prepare", default: "auto")
        guard let statementNames = Self.statementNames[prepare] else {
            throw Invalid(description: "DB_PREPARE is auto, on or off")
        }
        database = try ConnectionConfiguration(url: url, applicationName: "sluice-api", statementNames: statementNames)

        let listenText = config.string(forKey: "listen", default: "127.0.0.1:8080")
        guard let listen = ListenAddress(listenText) else {
            throw Invalid(description: "LISTEN is host:port, like 127.0.0.1:8080 or [::1]:8080")
        }
        self.listen = listen
        tls = try TLSFiles.read(config)

        let adminText = config.string(forKey: "admin.listen", default: "127.0.0.1:9464")
        if adminText != "off" {
            guard let admin = ListenAddress(adminText) else {
                throw Invalid(description: "ADMIN_LISTEN is host:port, like 127.0.0.1:9464, or off")
            }
            adminListen = admin
        }

        let level = config.string(forKey: "log.level", default: "info").lowercased()
        guard let logLevel = Logger.Level(rawValue: level) else {
            throw Invalid(description: "LOG_LEVEL is one of trace, debug, info, notice, warning, error, critical")
        }
        self.logLevel = logLevel

        guard let logFormat = LogFormat(rawValue: config.string(forKey: "log.format", default: "text").lowercased()) else {
            throw Invalid(description: "LOG_FORMAT is text or json")
        }
        self.logFormat = logFormat
        logDestination = try Self.logDestination(config)

        guard let drainDelay = Duration(seconds: config.string(forKey: "drain.delay", default: "1s")), drainDelay <= .seconds(60) else {
            throw Invalid(description: "DRAIN_DELAY is a time like 1s, at most a minute")
        }
        self.drainDelay = drainDelay
        guard let pause = Duration(seconds: config.string(forKey: "figures.pause", default: "30s")), pause >= .milliseconds(100) else {
            throw Invalid(description: "FIGURES_PAUSE is a time like 30s, at least 100ms")
        }
        figuresPause = pause

        let deadline = config.string(forKey: "request.deadline", default: "10s")
        guard let requestDeadline = Duration(seconds: deadline), requestDeadline > .zero else {
            throw Invalid(description: "REQUEST_DEADLINE is a time like 10s, 500ms or 10 (seconds)")
        }
        limits = IngestRoutes.Limits(
            requestDeadline: requestDeadline,
            maximumBody: try config.wholeNumber(forKey: "max.body.bytes", default: 64 << 20),
            maximumDecompressed: try config.wholeNumber(forKey: "max.decompressed.bytes", default: 256 << 20),
            maximumRecord: try config.wholeNumber(forKey: "max.record.bytes", default: 1 << 20)
        )
        keySets = try KeySetDownload.Settings(config)
        privLog = try PrivLogSettings(config)
        lanes = try config.wholeNumber(forKey: "db.lanes", default: 3)
        databaseConnections = try config.wholeNumber(forKey: "db.connections", default: 8)
        maximumConnections = try config.wholeNumber(forKey: "max.connections", default: 10_000)
        guard let trustedProxies = TrustedProxies(config.string(forKey: "trusted.proxies", default: "")) else {
            throw Invalid(description: "TRUSTED_PROXIES is a list of addresses and networks, like 10.0.0.0/8, ::1")
        }
        self.trustedProxies = trustedProxies
        replicas = try config.wholeNumber(forKey: "replicas", default: 1)
        guard (1...10_000).contains(replicas) else { throw Invalid(description: "REPLICAS is a number from 1 to 10000") }
        guard maximumConnections > 0 else { throw Invalid(description: "MAX_CONNECTIONS is a number above 0") }
        guard limits.maximumBody > 0, limits.maximumDecompressed > 0, (1...(64 << 20)).contains(limits.maximumRecord) else {
            throw Invalid(description: "MAX_BODY_BYTES and MAX_DECOMPRESSED_BYTES are above 0, MAX_RECORD_BYTES at most 64 MiB")
        }
        guard (1...1000).contains(databaseConnections), (1...64).contains(lanes) else {
            throw Invalid(description: "DB_CONNECTIONS is a number from 1 to 1000, DB_LANES one from 1 to 64")
        }
    }

    private static func logDestination(_ config: ConfigReader) throws -> LogDestination {
        guard let folder = config.string(forKey: "log.dir"), !folder.isEmpty else { return .descriptor(STDERR_FILENO) }
        let days = try config.wholeNumber(forKey: "logfile.retention.days", default: 7)
        guard (1...3650).contains(days) else { throw Invalid(description: "LOGFILE_RETENTION_DAYS is a number of days from 1 to 3650") }
        let mode: [FileAttributeKey: Any] = [.posixPermissions: 0o750]
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: mode)
        guard access(folder, W_OK | X_OK) == 0 else {
            throw Invalid(description: "LOG_DIR is no folder that this process may write to")
        }
        return .folder(path: folder, name: "sluice-api", days: days)
    }

    private static let statementNames: [String: StatementNames] = ["auto": .auto, "on": .named, "off": .unnamed]
}

extension ConfigReader {
    /// - Throws: when it is set to something else: a limit that is taken for another is none.
    fileprivate func wholeNumber(forKey key: ConfigKey, default: Int) throws -> Int {
        guard let text = string(forKey: key), !text.isEmpty else { return `default` }
        guard let number = Int(text) else {
            let name = key.components.map { $0.uppercased() }.joined(separator: "_")
            throw APIConfiguration.Invalid(description: "\(name) is a whole number, without a unit")
        }
        return number
    }
}

/// Where the server listens.
struct ListenAddress: Sendable, Equatable {
    let host: String
    let port: Int

    /// `host:port`, an IPv6 address in brackets. Port 0 takes any free one.
    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self.host = String(host)
        self.port = Int(port)
    }
}

extension Duration {
    /// `10s`, `500ms`, `2m` or a bare number of seconds.
    init?(seconds text: String) {
        let units: [(suffix: String, milliseconds: Int)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("", 1000)]
        for unit in units where text.hasSuffix(unit.suffix) {
            guard let count = Int(text.dropLast(unit.suffix.count)), (0...86_400_000).contains(count) else { return nil }
            self = .milliseconds(count * unit.milliseconds)
            return
        }
        return nil
    }
}
