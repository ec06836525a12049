import Access
import EventStore
import Hummingbird
import Logging
import NIOCore

/// The one source that takes PrivLog's requests without a credential, from stated networks: PrivLog's Macs send none.
struct OpenPrivileges: Sendable {
    struct Settings: Sendable {
        let tenant: String
        let source: String
        let networks: [Network]
    }

    private let networks: [Network]
    private let directory: OpenedSourceDirectory

    init(_ settings: Settings, database: Database, timeout: Duration) {
        networks = settings.networks
        directory = OpenedSourceDirectory(database, tenant: settings.tenant, source: settings.source, timeout: timeout)
    }

    /// Nil for who is not in one of the networks; then the request is one without a credential. Behind a proxy that is trusted it is the
    /// sender whose address counts.
    func grant(_ context: APIContext) async throws -> Grant? {
        guard let address = context.clientAddress.flatMap({ NetworkAddress($0.description) }),
            networks.contains(where: { $0.contains(address) })
        else { return nil }
        guard let opened = try await directory.source() else {
            context.logger.error("OPEN_PRIVILEGES_SOURCE names a source that is not there: its senders are not answered")
            throw Problem.unavailable()
        }
        guard !opened.isSuspended else { throw Problem.unavailable(retryAfter: 60) }
        return .opened(
            tenant: opened.tenant,
            tenantSlug: opened.tenantSlug,
            retentionDays: opened.retentionDays,
            source: opened.source,
            limits: opened.limits
        )
    }
}
