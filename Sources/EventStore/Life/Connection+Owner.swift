import Postgres

extension Connection {
    /// One transaction as `sluice_owner`.
    func asOwner<T: Sendable>(
        _ mode: TransactionMode = .readWrite,
        timeout: Duration = .seconds(60),
        _ body: @Sendable (isolated Connection, ContinuousClock.Instant) throws -> T
    ) async throws -> T {
        let deadline = ContinuousClock.now + timeout
        return try await transaction(mode, deadline: deadline) { connection in
            _ = try connection.execute(Role.owner.query, deadline: deadline)
            return try body(connection, deadline)
        }
    }

    /// The same, again while somebody else holds a lock: five times, waiting longer each time.
    func asPatientOwner<T: Sendable>(
        timeout: Duration = .seconds(60),
        _ body: @Sendable (isolated Connection, ContinuousClock.Instant) throws -> T
    ) async throws -> T {
        var pause = Duration.milliseconds(100)
        for _ in 1..<5 {
            do {
                return try await asOwner(timeout: timeout, body)
            } catch let error as PostgresError where error.isLockTrouble {
                try await Task.sleep(for: pause)
                pause *= 2
            }
        }
        return try await asOwner(timeout: timeout, body)
    }

    /// Runs a statement that PostgreSQL allows in no transaction, as the owner and under a `lock_timeout`.
    func runAloneAsOwner(_ sql: String, lockTimeout: Duration, deadline: ContinuousClock.Instant) async throws {
        let milliseconds = max(1, lockTimeout / .milliseconds(1))
        try await executeScript("SET ROLE sluice_owner; SET lock_timeout = \(Int(milliseconds))", deadline: deadline)
        do {
            try await executeScript(sql, deadline: deadline)
        } catch {
            try? await executeScript("RESET lock_timeout; RESET ROLE", deadline: .now + .seconds(5))
            throw error
        }
        try await executeScript("RESET lock_timeout; RESET ROLE", deadline: .now + .seconds(5))
    }
}

extension PostgresError {
    /// Another transaction was in the way; the same again may work.
    var isLockTrouble: Bool {
        sqlState == .lockNotAvailable || sqlState == .deadlockDetected || sqlState == .serializationFailure
    }

    /// What the functions of `sql/` say of a tenant on hold.
    var isHold: Bool { sqlState == .objectNotInPrerequisiteState }

    /// What PostgreSQL says of detaching a month while another one of the same table is being detached.
    var isOfAnotherDetaching: Bool { sqlState == .objectNotInPrerequisiteState }
}
