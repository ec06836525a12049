import EventCore
import Postgres

extension Lane {
    /// Puts what was refused into quarantine: a transaction of its own for each tenant, so that its lock on the tenant's quarantine
    /// is not held while events are inserted, and no tenant waits for another's. Written again after a lost reply, as each record's
    /// id is known before the first try.
    func keepRefused(_ work: BatchWork) async throws(EngineError) {
        var failure: EngineError?
        for groups in RefusedGroup.grouped(work.refused) {
            do throws(EngineError) {
                try await keep(groups, work.deadline)
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    private func keep(_ groups: [RefusedGroup], _ deadline: ContinuousClock.Instant) async throws(EngineError) {
        let query = KeepRefused(groups: groups).query
        let answers = try await retrying(until: deadline) { connection throws(PostgresError) in
            do throws(PostgresError) {
                return try await keep(query, on: connection, deadline)
            } catch {
                guard LaneFault(error) == .month else { throw error }
                // Nobody has made this month's partition ahead of time.
                _ = try await connection.execute(EnsurePlannedMonths(), deadline: deadline)
                return try await keep(query, on: connection, deadline)
            }
        }
        let settled = answers.flatMap { answer in
            groups.indices.contains(answer.number - 1)
                ? groups[answer.number - 1].items.map { $0.settled(isKept: answer.isKept) } : []
        }
        counters.count { $0.count(settled) }
        lanes.settle(settled)
    }

    private func keep(
        _ query: Query,
        on connection: Connection,
        _ deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [KeepRefused.Output] {
        let enter = EnterLane(role: lanes.login.role, lockWait: BatchWork.longLockWait)
        let results = try await connection.transaction([enter.query, query], deadline: deadline)
        return try results[1].decode(KeepRefused.self)
    }
}
