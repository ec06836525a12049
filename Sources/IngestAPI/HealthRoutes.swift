import EventStore
import Hummingbird
import Metrics
import Migrations

/// `/livez`: alive, whatever else is not. `/readyz`: fit for traffic.
struct HealthRoutes: Sendable {
    let probe: HealthProbe
    let closing: ClosingSign

    func livez(_ request: Request, context: APIContext) async throws -> Response {
        var json = JSONWriter()
        json.object { $0.member("status", "ok") }
        return Reply.json(json.buffer).response
    }

    func readyz(_ request: Request, context: APIContext) async throws -> Response {
        if closing.isUp {
            throw Problem(.serviceUnavailable, .closing, "This server is shutting down.", headers: [.retryAfter: "1"])
        }
        if let trouble = try await probe.trouble() {
            throw Problem(.serviceUnavailable, .notReady, trouble, headers: [.retryAfter: "1"])
        }
        var json = JSONWriter()
        json.object { $0.member("status", "ready") }
        return Reply.json(json.buffer).response
    }
}

/// Asks the database at most once a second, however many ask for its health.
final class HealthProbe: Sendable {
    struct Report: Sendable {
        /// Nil when all is well, else what is wrong, in words that tell nothing about the inside.
        var trouble: String?
        var isReachable = true
        /// Nil when that is not known.
        var hasEvents: Bool?
    }

    private let cache: FreshCache<Int, Report>

    /// - Parameter report: gets all that differs from the manifest, also what is no reason to refuse traffic.
    init(
        _ probe: ReadinessProbe,
        newestMigration: Int32 = Migration.all.last?.number ?? 0,
        report: @escaping @Sendable ([IsolationFinding]) -> Void
    ) {
        let probes = Counter(label: "sluice_database_probes_total")
        cache = FreshCache(lifetime: .seconds(1), capacity: 1) { _ in
            probes.increment()
            let deadline = ContinuousClock.now + .milliseconds(900)
            do {
                let readiness = try await probe.readiness(deadline: deadline)
                if let trouble = Self.trouble(readiness, newestMigration: newestMigration) { return Report(trouble: trouble) }
                let hasEvents = try? await probe.hasEvents(deadline: deadline)
                let findings = try await probe.isolation(deadline: deadline)
                report(findings)
                return Report(trouble: findings.contains { $0.severity == .unsafe } ? Self.unsafe : nil, hasEvents: hasEvents)
            } catch let error as StoreError where error.code == .unsafeRole {
                return Report(trouble: Self.unsafe)
            } catch {
                return Report(trouble: "The database does not answer.", isReachable: false)
            }
        }
    }

    /// Nil when all is well, else what is wrong, in words that tell nothing about the inside.
    func trouble() async throws -> String? {
        try await report().trouble
    }

    func report() async throws -> Report {
        try await cache.value(for: 0)
    }

    private static let unsafe = "The database does not keep tenants apart as it should: run sluice doctor."

    static func trouble(_ readiness: Readiness, newestMigration: Int32) -> String? {
        if (readiness.migration ?? 0) < newestMigration { return "The database is older than this server: run sluice migrate." }
        if !readiness.monthsReady { return "A month's partition is missing: run sluice migrate." }
        if readiness.isReadOnly { return "The database takes no writes." }
        return nil
    }
}
