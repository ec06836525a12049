package import Access
package import EventCore
import Postgres

/// A source that an operator opened to senders without a credential.
package struct OpenedSource: Sendable {
    package let tenant: TenantID
    package let tenantSlug: String
    package let retentionDays: Int
    package let isSuspended: Bool
    package let source: SourceID
    package let limits: TenantLimits
}

/// Finds the one source that is open, by its tenant's slug and its own; nil when it is not there.
package final class OpenedSourceDirectory: Sendable {
    private let cache: FreshCache<Int, OpenedSource?>

    package init(_ database: Database, tenant: String, source: String, freshness: Duration = .seconds(1), timeout: Duration) {
        cache = FreshCache(lifetime: freshness, capacity: 1) { _ in
            try await database.call(FindSource(tenant: tenant, source: source), deadline: .now + timeout).first
        }
    }

    package func source() async throws -> OpenedSource? {
        try await cache.value(for: 0)
    }
}

struct FindSource: Statement {
    static let name = "find_source"
    static let sql = "SELECT tenant_id, tenant_slug, retention_days, suspended, source_id, limits FROM sluice.find_source($1, $2)"

    let tenant: String
    let source: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant)
        bindings.append(source)
    }

    static func decode(_ row: Row) throws(PostgresError) -> OpenedSource {
        OpenedSource(
            tenant: TenantID(rawValue: try row.decode(0)),
            tenantSlug: try row.decode(1),
            retentionDays: Int(try row.decode(2, as: Int32.self)),
            isSuspended: try row.decode(3),
            source: SourceID(rawValue: try row.decode(4)),
            limits: try row.limits(5)
        )
    }
}

/// Whether there is any event, of whichever tenant.
struct HasEvents: Statement {
    static let name = "has_events"
    static let sql = "SELECT sluice.has_events()"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> Bool {
        try row.decode(0)
    }
}
