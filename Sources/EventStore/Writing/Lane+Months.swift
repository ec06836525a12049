import EventCore
import Postgres

extension Lane {
    /// Makes the months that these events need, each in a transaction of its own. Events of those that can't be had go to
    /// `work.refused`; the others remain.
    func haveMonths(_ items: [EventItem], _ work: inout BatchWork) async throws(EngineError) -> [EventItem] {
        var storable: [EventItem] = []
        storable.reserveCapacity(items.count)
        var last: (month: Month, tenant: TenantID)?
        for item in items {
            let (month, tenant) = (Month(of: item.event.occurredAt), item.event.tenant)
            if let last, last == (month, tenant) {
                storable.append(item)
                continue
            }
            switch try await answer(for: month, tenant: tenant, work.deadline) {
            case .ready:
                last = (month, tenant)
                storable.append(item)
            case .unavailable: refuse(item, .monthUnavailable, &work)
            case .outOfRange: refuse(item, .timestampOutOfRange, &work)
            }
        }
        return storable
    }

    private func answer(
        for month: Month,
        tenant: TenantID,
        _ deadline: ContinuousClock.Instant
    ) async throws(EngineError) -> MonthAnswer {
        if let known = months.answer(for: month, tenant: tenant, now: .now) { return known }
        let answer = try await retrying(until: deadline) { connection throws(PostgresError) in
            try await connection.execute(EnsureMonth(tenant: tenant, month: month), deadline: deadline).first ?? .unavailable
        }
        months.remember(answer, for: month, tenant: tenant, now: .now)
        return answer
    }

    /// For what is harmless to do twice: again after every passing error, a lost reply included.
    func retrying<T: Sendable>(
        until deadline: ContinuousClock.Instant,
        _ body: (Connection) async throws(PostgresError) -> T
    ) async throws(EngineError) -> T {
        var backoff = Backoff()
        while true {
            do throws(PostgresError) {
                return try await body(try await session(deadline))
            } catch {
                let isPassing = error.code == .outcomeUnknown || [.passing, .held].contains(LaneFault(error))
                guard isPassing, ContinuousClock.now < deadline else { throw EngineError(error) }
            }
            counters.count { $0.retries += 1 }
            await backoff.pause(until: deadline)
        }
    }
}
