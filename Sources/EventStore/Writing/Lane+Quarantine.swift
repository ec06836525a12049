import EventCore
import Postgres

extension Lane {
    /// Puts what was refused into quarantine: a transaction of its own, so that its lock on a tenant's quarantine is not held
    /// while events are inserted. Written again after a lost reply, as each record's id is known before the first try.
    func keepRefused(_ work: BatchWork) async throws(EngineError) {
        guard !work.refused.isEmpty else { return }
        let items = work.refused
        let query = KeepRefused(items: items).query
        let answers = try await retrying(until: work.deadline) { connection throws(PostgresError) in
            do throws(PostgresError) {
                return try await keep(query, on: connection, work.deadline)
            } catch {
                guard LaneFault(error) == .month else { throw error }
                // Nobody has made this month's partition ahead of time.
                _ = try await connection.execute(EnsurePlannedMonths(), deadline: work.deadline)
                return try await keep(query, on: connection, work.deadline)
            }
        }
        let settled = answers.compactMap { answer in
            items.indices.contains(answer.number - 1) ? items[answer.number - 1].settled(isKept: answer.isKept) : nil
        }
        counters.count { $0.count(settled) }
        lanes.settle(settled)
    }

    private func keep(
        _ query: Query,
        on connection: Connection,
        _ deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> [KeepRefused.Output] {
        let results = try await connection.transaction([lanes.login.role, query], deadline: deadline)
        return try results[1].decode(KeepRefused.self)
    }
}
