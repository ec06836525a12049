import EventCore
import EventStore
import Postgres

/// One tenant's events, as the operator reads them: the tenant's own retention holds here too.
struct TenantReading: Sendable {
    let tenant: TenantRecord
    let reader: EventReader
    let database: Database
    let configuration: ConnectionConfiguration

    /// The first `limit` events, in the filter's order.
    func events(_ filter: EventFilter, limit: Int) async throws -> [StoredEvent] {
        var events: [StoredEvent] = []
        var after: EventPosition?
        repeat {
            let page = try await reader.page(
                of: tenant.id,
                retentionDays: tenant.retentionDays,
                filter: filter,
                after: after,
                limit: min(1_000, limit - events.count),
                now: .now(),
                deadline: .now + .seconds(30)
            )
            events += page.events
            after = page.next
        } while after != nil && events.count < limit
        return events
    }
}

extension AdminSettings {
    /// Reads a tenant's events, on connections of its own.
    func reading<T: Sendable>(tenant slug: String, _ body: @Sendable (TenantReading) async throws -> T) async throws -> T {
        let configuration = try databaseConfiguration()
        guard let tenant = try await administer({ try await $0.tenant(slug: slug) }) else {
            throw Failure("there is no tenant \(slug); sluice tenant list shows all")
        }
        let database = Database(operator: configuration)
        let reading = TenantReading(tenant: tenant, reader: EventReader(database), database: database, configuration: configuration)
        do {
            let result = try await body(reading)
            await database.close()
            return result
        } catch {
            await database.close()
            throw error
        }
    }
}
