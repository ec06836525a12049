import EventStore
import Postgres

/// One tenant's events, as the operator reads them: the tenant's own retention holds here too.
struct TenantReading: Sendable {
    let tenant: TenantRecord
    let reader: EventReader
    let database: Database
    let configuration: ConnectionConfiguration
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
