package struct PoolConfiguration: Sendable {
    package var connection: ConnectionConfiguration
    package var maximumConnections: Int
    /// A connection that rested for longer is asked `SELECT 1` before it is handed out.
    package var idleCheckAfter: Duration
    /// Connections are replaced at this age, give or take a tenth.
    package var maximumLifetime: Duration
    package var connectTimeout: Duration
    /// Run once on every new connection; one it throws for is closed and counts as not connected.
    package var prepareConnection: (@Sendable (Connection) async throws -> Void)?

    package init(
        connection: ConnectionConfiguration,
        maximumConnections: Int,
        idleCheckAfter: Duration = .seconds(30),
        maximumLifetime: Duration = .seconds(1_800),
        connectTimeout: Duration = .seconds(5),
        prepareConnection: (@Sendable (Connection) async throws -> Void)? = nil
    ) {
        precondition(maximumConnections > 0, "a pool holds at least one connection")
        self.connection = connection
        self.maximumConnections = maximumConnections
        self.idleCheckAfter = idleCheckAfter
        self.maximumLifetime = maximumLifetime
        self.connectTimeout = connectTimeout
        self.prepareConnection = prepareConnection
    }
}

package struct PoolStatistics: Sendable, Equatable {
    /// Connected: idle, leased or being checked.
    package var open: Int
    package var idle: Int
    package var leased: Int
    /// Callers waiting for a connection.
    package var waiting: Int
    package var connecting: Int

    package init(open: Int, idle: Int, leased: Int, waiting: Int, connecting: Int) {
        self.open = open
        self.idle = idle
        self.leased = leased
        self.waiting = waiting
        self.connecting = connecting
    }
}
