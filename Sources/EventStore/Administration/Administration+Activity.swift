package import EventCore
import Postgres

/// When a source was last heard of.
package struct SourceActivity: Sendable {
    package let source: SourceID
    package let lastRequestAt: Timestamp
    /// Between two requests, lately; nil when there was only one time.
    package let usualGap: Duration?
    /// Silent for longer than it ever was lately.
    package let isQuiet: Bool
}

extension Administration {
    /// Of the sources that were ever heard of; up to half a minute old.
    package func activity(tenant tenantSlug: String) async throws -> [SourceID: SourceActivity] {
        let rows = try await act(.readOnly) { connection, deadline in
            let tenant = try connection.findTenant(tenantSlug, deadline: deadline)
            return try connection.execute(ListActivity(tenant: tenant.id), deadline: deadline)
        }
        return Dictionary(rows.map { ($0.source, $0) }) { first, _ in first }
    }
}

struct ListActivity: Statement {
    static let name = "list_activity"
    static let sql = """
        SELECT source_id, last_at, usual_gap, coalesce(sluice.is_quiet(since, last_at, longest_gap), false)
        FROM sluice.source_activity WHERE tenant_id = $1
        """

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> SourceActivity {
        SourceActivity(
            source: SourceID(rawValue: try row.decode(0)),
            lastRequestAt: try row.timestamp(1),
            usualGap: try row.decodeIfPresent(2, as: Double.self).map { .seconds($0) },
            isQuiet: try row.decode(3)
        )
    }
}
