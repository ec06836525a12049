package import Postgres

/// Asks the database how it is, on a connection of its own: a busy pool is no sickness, and a database that is away is
/// known at once, without anybody waiting for it to come back.
package actor ReadinessProbe {
    /// How long what was found about isolation is believed.
    private static let isolationFreshness = Duration.seconds(5)

    private let configuration: ConnectionConfiguration
    private var connection: Connection?
    /// When an event was last seen.
    private var foundAt: ContinuousClock.Instant?
    private var isolation: (findings: [IsolationFinding], askedAt: ContinuousClock.Instant)?

    package init(_ configuration: ConnectionConfiguration) {
        self.configuration = configuration
    }

    /// - Throws: `PostgresError` or `StoreError` when the database cannot be asked, or must not be by this login.
    package func readiness(deadline: ContinuousClock.Instant) async throws -> Readiness {
        try await ask(deadline: deadline) { connection in
            guard let readiness = try await connection.execute(ReadReadiness(), deadline: deadline).first else {
                throw StoreError(.notReady, "the database does not say how it is: run sluice migrate")
            }
            return readiness
        }
    }

    /// Where the database differs from its manifest, and whether the login is still one that may be used; asked once in five seconds.
    ///
    /// - Throws: as ``readiness(deadline:)``.
    package func isolation(deadline: ContinuousClock.Instant) async throws -> [IsolationFinding] {
        let now = ContinuousClock.now
        if let isolation, now < isolation.askedAt + Self.isolationFreshness { return isolation.findings }
        isolation = nil
        let findings = try await ask(deadline: deadline) { connection in
            try await Database.refuseUnsafeLogin(connection)
            return try await connection.execute(CheckIsolation(), deadline: deadline)
        }
        isolation = (findings, now)
        return findings
    }

    /// Whether there is any event; once there is, that is believed for a minute.
    ///
    /// - Throws: as ``readiness(deadline:)``.
    package func hasEvents(deadline: ContinuousClock.Instant) async throws -> Bool {
        let now = ContinuousClock.now
        if let foundAt, now < foundAt + .seconds(60) { return true }
        let isFound = try await ask(deadline: deadline) { try await $0.execute(HasEvents(), deadline: deadline).first ?? false }
        foundAt = isFound ? now : nil
        return isFound
    }

    package func close() async {
        let last = connection
        connection = nil
        await last?.close()
    }

    private func ask<T: Sendable>(
        deadline: ContinuousClock.Instant,
        _ body: @Sendable (Connection) async throws -> T
    ) async throws -> T {
        do {
            return try await body(try await connect(deadline: deadline))
        } catch {
            await close()
            throw error
        }
    }

    private func connect(deadline: ContinuousClock.Instant) async throws -> Connection {
        if let connection { return connection }
        let new = try await Connection.connect(configuration, deadline: deadline)
        connection = new
        try await Database.refuseUnsafeLogin(new)
        return new
    }
}
