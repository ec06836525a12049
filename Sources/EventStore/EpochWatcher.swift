package import Postgres

/// Keeps an `AccessEpoch` up to date: asks twice a second and, where the connection is PostgreSQL's own and no pooler's, is told
/// of changes besides.
///
/// It has a connection of its own: a pool that is busy with long reads must not keep a revoked key in force.
package struct EpochWatcher: Sendable {
    private static let pause = Duration.milliseconds(500)
    /// Notifications do not make it ask more often than this: after each change every key in use is looked up again.
    private static let leastPause = Duration.milliseconds(200)
    /// Two of them and a pause are within the two seconds in which a change holds everywhere.
    private static let timeout = Duration.milliseconds(600)

    private let configuration: ConnectionConfiguration
    private let epoch: AccessEpoch

    package init(_ configuration: ConnectionConfiguration, epoch: AccessEpoch) {
        self.configuration = configuration
        self.epoch = epoch
    }

    /// Runs until the task is cancelled. What goes wrong is tried again: the bound of `AccessEpoch` limits what it can cost.
    package func run() async {
        while !Task.isCancelled {
            do {
                try await watch()
            } catch {
                try? await Task.sleep(for: .milliseconds(200))
            }
        }
    }

    private func watch() async throws {
        let connection = try await Connection.connect(configuration, deadline: .now + .seconds(2))
        do {
            try await Database.refuseUnsafeLogin(connection)
            // Behind a pooler in transaction mode nobody would hear it.
            let isDirect = connection.usesNamedStatements
            if isDirect { try await connection.listen("sluice_access", deadline: .now + Self.timeout) }
            while true {
                let askedAt = ContinuousClock.now
                if let current = try await connection.execute(CurrentAccessEpoch(), deadline: askedAt + Self.timeout).first {
                    epoch.note(current, askedAt: askedAt)
                }
                try await Task.sleep(until: askedAt + (isDirect ? Self.leastPause : Self.pause), clock: .continuous)
                if isDirect { _ = try await connection.nextNotification(deadline: askedAt + Self.pause) }
            }
        } catch {
            await connection.close()
            throw error
        }
    }
}

struct CurrentAccessEpoch: Statement {
    static let name = "current_access_epoch"
    static let sql = "SELECT sluice.current_access_epoch()"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> Int64 {
        try row.decode(0)
    }
}
