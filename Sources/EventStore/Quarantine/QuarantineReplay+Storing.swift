import EventCore
import Postgres

extension Connection {
    /// Within a transaction: stores events, takes their records out of quarantine, and writes down why others stay.
    ///
    /// Explicit ids are claimed first, as lanes do it: a record whose id another event has stays where it is.
    func replay(
        _ candidates: [(row: QuarantinedRow, event: AcceptedEvent)],
        _ refusals: [QuarantineReplay.Refusal],
        for access: TenantAccess,
        deadline: ContinuousClock.Instant
    ) throws -> QuarantineReplay.Outcome {
        try take(.writing, of: access, deadline: deadline)
        let items = candidates.enumerated().map { EventItem(submission: 0, record: $0.offset, event: $0.element.event) }
            .sorted { $0.key < $1.key }
        let reused = try claim(items, deadline: deadline)
        var refusals = refusals
        for place in reused {
            let (row, event) = candidates[place]
            refusals.append(QuarantineReplay.Refusal(row: row, versionNumber: event.versionNumber, reason: .idReused))
        }
        let wanted = items.filter { !reused.contains($0.record) }
        let rows = wanted.map { candidates[$0.record].row }
        var outcome = QuarantineReplay.Outcome()
        if !rows.isEmpty {
            // Another replay, or a purge, may have been quicker with some.
            let released = Set(try execute(ReleaseRefused(tenant: access.tenant, rows: rows), deadline: deadline))
            let stored = wanted.filter { released.contains(candidates[$0.record].row.id) }
            outcome.accepted = try insert(stored, deadline: deadline)
            outcome.duplicates = stored.count - outcome.accepted
        }
        if !refusals.isEmpty {
            _ = try execute(ExplainRefused(tenant: access.tenant, refusals: refusals), deadline: deadline)
        }
        outcome.refused = refusals.count
        return outcome
    }

    /// Remembers the events' explicit ids; the places of those whose id stands for another content.
    private func claim(_ items: [EventItem], deadline: ContinuousClock.Instant) throws -> Set<Int> {
        let identified = items.filter { $0.explicitKey != nil }
        guard !identified.isEmpty else { return [] }
        _ = try execute(ClaimIDs(items: identified), deadline: deadline)
        let claims = try execute(FindClaims(items: identified), deadline: deadline)
        let contents = Dictionary(claims.map { ($0.key, $0.content) }) { first, _ in first }
        return Set(
            identified.filter { item in
                ClaimKey(item).flatMap { contents[$0] }.map { $0 != item.event.contentDigest } ?? false
            }.map(\.record)
        )
    }

    /// How many of the events are new.
    private func insert(_ items: [EventItem], deadline: ContinuousClock.Instant) throws -> Int {
        guard !items.isEmpty else { return 0 }
        if items.contains(where: { $0.explicitKey != nil }) {
            return try execute(InsertClaimedEvents(items: items), deadline: deadline).count
        }
        return try execute(InsertEvents(items: items), deadline: deadline).count
    }
}
