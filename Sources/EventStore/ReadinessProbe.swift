package import Postgres

/// Asks the database how it is, on a connection of its own: a busy pool is no sickness, and a database that is away is
/// known at once, without anybody waiting for it to come back.
package actor ReadinessProbe {
    private let configuration: ConnectionConfiguration
    private var connection: Connection?

    package init(_ configuration: ConnectionConfiguration) {
        self.configuration = configuration
    }

    /// - Throws: `PostgresError` or `StoreError` when the database cannot be asked, or must not be by this login.
    package func readiness(deadline: ContinuousClock.Instant) async throws -> Readiness {
        do {
            let connection = try await connect(deadline: deadline)
            guard let readiness = try await connection.execute(ReadReadiness(), deadline: deadline).first else {
                throw StoreError(.notReady, "the database does not say how it is: run sluice migrate")
            }
            return readiness
        } catch {
            await close()
            throw error
        }
    }

    package func close() async {
        let last = connection
        connection = nil
        await last?.close()
    }

    private func connect(deadline: ContinuousClock.Instant) async throws -> Connection {
        if let connection { return connection }
        let new = try await Connection.connect(configuration, deadline: deadline)
        connection = new
        try await Database.refuseUnsafeLogin(new)
        return new
    }
}
