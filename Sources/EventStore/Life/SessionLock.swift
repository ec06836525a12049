package import Postgres

/// Names of locks that sessions hold.
package enum SessionLock {
    /// Held by whoever deletes months or copies them, so that no two do so at once.
    package static let months = "sluice.retention"
}

extension Connection {
    /// Takes an advisory lock that lasts as long as this session, or until it is let go of; false when another session has it.
    ///
    /// For a direct connection: behind a pooler in transaction mode a session is nobody's, so that is refused.
    package func takeSessionLock(_ name: String) async throws -> Bool {
        guard usesNamedStatements else {
            throw StoreError(
                .notReady,
                "there is a pooler in front of this database: set DATABASE_ADMIN_URL to PostgreSQL itself, for locks that outlive a transaction"
            )
        }
        return try await execute(TakeSessionLock(lockName: name), deadline: .now + .seconds(10)).first ?? false
    }

    package func releaseSessionLock(_ name: String) async throws {
        _ = try await execute(ReleaseSessionLock(lockName: name), deadline: .now + .seconds(10))
    }

    /// Nil when another session has the lock. What holds it may take it again.
    package func withSessionLock<T: Sendable>(_ name: String, _ body: @Sendable () async throws -> T) async throws -> T? {
        guard try await takeSessionLock(name) else { return nil }
        do {
            let value = try await body()
            try await releaseSessionLock(name)
            return value
        } catch {
            try? await releaseSessionLock(name)
            throw error
        }
    }
}

struct TakeSessionLock: Statement {
    static let name = "take_session_lock"
    static let sql = "SELECT pg_try_advisory_lock(hashtext($1), 7)"

    let lockName: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(lockName)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Bool { try row.decode(0) }
}

struct ReleaseSessionLock: Statement {
    static let name = "release_session_lock"
    static let sql = "SELECT pg_advisory_unlock(hashtext($1), 7)"

    let lockName: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(lockName)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Bool { try row.decode(0) }
}
