package import EventCore
import Postgres

extension EventReader {
    /// All events of one source, whatever their age: takes as long as there are many.
    package func count(of source: SourceID, tenant: TenantID, deadline: ContinuousClock.Instant) async throws -> Int {
        Int(try await database.read(CountSourceEvents(tenant: tenant, source: source), as: tenant, deadline: deadline).first ?? 0)
    }
}

struct CountSourceEvents: Statement {
    static let name = "count_source_events"
    static let sql = "SELECT count(*) FROM sluice.events WHERE tenant_id = $1 AND source_id = $2"

    let tenant: TenantID
    let source: SourceID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(source.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Int64 {
        try row.decode(0)
    }
}
