import EventCore
import Synchronization

/// The months that lanes need not ask for: those that exist, and for a while those that a tenant may not have.
final class KnownMonths: Sendable {
    private struct TenantMonth: Hashable {
        let tenant: TenantID
        let month: Month
    }

    private struct Refusal {
        let answer: MonthAnswer
        let until: ContinuousClock.Instant
    }

    private struct State {
        var existing: Set<Month> = []
        var refused: [TenantMonth: Refusal] = [:]
    }

    private static let refusalLifetime = Duration.seconds(60)
    private static let mostRefusals = 4_096
    private let state = Mutex(State())

    /// nil: ask the database.
    func answer(for month: Month, tenant: TenantID, now: ContinuousClock.Instant) -> MonthAnswer? {
        state.withLock { state in
            if state.existing.contains(month) { return .ready }
            guard let refusal = state.refused[TenantMonth(tenant: tenant, month: month)], now < refusal.until else { return nil }
            return refusal.answer
        }
    }

    func remember(_ answer: MonthAnswer, for month: Month, tenant: TenantID, now: ContinuousClock.Instant) {
        state.withLock { state in
            guard answer != .ready else {
                state.existing.insert(month)
                return
            }
            if state.refused.count >= Self.mostRefusals { state.refused.removeAll() }
            state.refused[TenantMonth(tenant: tenant, month: month)] = Refusal(answer: answer, until: now + Self.refusalLifetime)
        }
    }

    /// The database has no such month after all: it was dropped.
    func forget(_ months: Set<Month>) {
        state.withLock { $0.existing.subtract(months) }
    }
}
