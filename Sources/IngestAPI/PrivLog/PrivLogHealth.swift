import EventStore
import Foundation
import Hummingbird

/// `GET /health`: PrivLog's JSON for monitoring systems, always 200.
struct PrivLogHealth: Sendable {
    enum Status: String, Sendable {
        case ok, warning, error
    }

    /// What this machine says.
    struct Machine: Sendable {
        let canLog: Bool
        /// Nil when that cannot be told.
        let freeBytes: UInt64?
    }

    private let probe: HealthProbe
    private let settings: PrivLogSettings
    /// Looked at once a second, and never on a connection's event loop: a disk may take its time.
    private let machine: FreshCache<Int, Machine>

    init(probe: HealthProbe, settings: PrivLogSettings) {
        self.probe = probe
        self.settings = settings
        machine = FreshCache(lifetime: .seconds(1), capacity: 1) { _ in
            Machine(
                canLog: LogCheck.canWrite(folder: settings.logFolder),
                freeBytes: DiskSpace.freeBytes(at: settings.logFolder ?? ".")
            )
        }
    }

    func health(_ request: Request, context: APIContext) async throws -> Response {
        let database = try await probe.report()
        let machine = try await machine.value(for: 0)
        let (canLog, free) = (machine.canLog, machine.freeBytes)
        var json = JSONWriter()
        json.object { json in
            json.member("status", Self.status(database, canLog: canLog, freeBytes: free, settings).rawValue)
            json.member("database", database.isReachable ? "reachable" : "unreachable")
            json.member("database_sample", database.hasEvents.map { $0 ? "found" : "empty" } ?? "unknown")
            json.member("log_write", canLog ? "ok" : "failed")
            json.member("disk_space", free.map { Self.isLow($0, settings) ? "low" : "sufficient" } ?? "unknown")
            if settings.showsFreeSpace, let free { json.member("disk_free_gb", json: Array(Self.gigabytes(free).utf8)) }
        }
        return Reply.json(json.buffer).response
    }

    static func status(_ database: HealthProbe.Report, canLog: Bool, freeBytes: UInt64?, _ settings: PrivLogSettings) -> Status {
        guard database.isReachable, database.trouble == nil, canLog, let freeBytes else { return .error }
        return database.hasEvents == true && !isLow(freeBytes, settings) ? .ok : .warning
    }

    private static func isLow(_ bytes: UInt64, _ settings: PrivLogSettings) -> Bool {
        Double(bytes) < settings.minimumFreeGB * 1_073_741_824
    }

    /// With two digits behind the point.
    private static func gigabytes(_ bytes: UInt64) -> String {
        let hundredths = bytes / (1_073_741_824 / 100)
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }
}

/// Whether log lines can be written where they go.
enum LogCheck {
    static func canWrite(folder: String?) -> Bool {
        guard let folder else { return fcntl(STDERR_FILENO, F_GETFL) >= 0 }
        let path = "\(folder)/.health-\(getpid())"
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return false }
        defer {
            close(descriptor)
            unlink(path)
        }
        return write(descriptor, "ok\n", 3) == 3
    }
}

enum DiskSpace {
    /// For anybody but the superuser; nil when that cannot be told.
    static func freeBytes(at path: String) -> UInt64? {
        var space = statvfs()
        guard statvfs(path, &space) == 0 else { return nil }
        let (bytes, overflow) = UInt64(space.f_bavail).multipliedReportingOverflow(by: UInt64(space.f_frsize))
        return overflow ? nil : bytes
    }
}
