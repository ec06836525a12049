import EventCore
import Postgres

/// Tries quarantined records again, under the schemas in force now and with the time at which they came.
///
/// A record's row leaves quarantine in the transaction that stores its event: killed at any moment, it is in one of the two places.
/// What it makes of a record is what ingest would have made of it, so that its sender's retries are duplicates. What still fails
/// stays, with its new reason. Run again, it goes on with what is left.
package struct QuarantineReplay: Sendable {
    package struct Outcome: Sendable, Equatable {
        /// Stored now.
        package var accepted = 0
        /// Stored before: taken out of quarantine all the same.
        package var duplicates = 0
        /// Still no events.
        package var refused = 0
        /// Where to go on; nil when all have been tried.
        package var next: EventPosition?

        package init(next: EventPosition? = nil) {
            self.next = next
        }
    }

    /// A record that is still no event.
    struct Refusal: Sendable {
        let row: QuarantinedRow
        let versionNumber: Int32?
        let reason: QuarantineReason
    }

    struct Candidate: Sendable {
        let row: QuarantinedRow
        let event: AcceptedEvent
    }

    private static let batchRows = 500
    private static let batchBytes = 4 << 20

    private let access: TenantAccess

    package init(_ access: TenantAccess) {
        self.access = access
    }

    /// Tries one batch, oldest first.
    ///
    /// - Parameter deadline: of each of its transactions.
    package func batch(
        _ filter: QuarantineFilter,
        after: EventPosition?,
        limit: Int = .max,
        deadline: ContinuousClock.Instant
    ) async throws -> Outcome {
        let rows = try await rows(filter, after: after, limit: min(limit, Self.batchRows), deadline)
        guard let last = rows.last else { return Outcome() }
        let sources = try await sources(deadline)
        var (candidates, refusals) = read(rows, sources)
        (candidates, refusals) = try await haveMonths(candidates, refusals, deadline)
        var outcome = Outcome(next: last.position)
        try await store(candidates, refusals, &outcome, deadline)
        return outcome
    }

    /// Tries all of them, batch after batch, and leaves a line in the audit log.
    package func all(
        _ filter: QuarantineFilter,
        patience: Duration = .seconds(60),
        progress: @Sendable (Outcome) -> Void = { _ in }
    ) async throws -> Outcome {
        var total = Outcome()
        repeat {
            let outcome = try await batch(filter, after: total.next, deadline: .now + patience)
            total.accepted += outcome.accepted
            total.duplicates += outcome.duplicates
            total.refused += outcome.refused
            total.next = outcome.next
            progress(total)
        } while total.next != nil
        try await note(total, deadline: .now + patience)
        return total
    }

    /// Leaves a line in the audit log, when there is something to say.
    package func note(_ outcome: Outcome, deadline: ContinuousClock.Instant) async throws {
        guard outcome.accepted + outcome.duplicates > 0 else { return }
        let detail = #"{"accepted":\#(outcome.accepted),"duplicates":\#(outcome.duplicates),"refused":\#(outcome.refused)}"#
        try await access.record("quarantine.replay", on: access.slug, detail, deadline: deadline)
    }

    // MARK: Reading

    private func rows(
        _ filter: QuarantineFilter,
        after: EventPosition?,
        limit: Int,
        _ deadline: ContinuousClock.Instant
    ) async throws -> [QuarantinedRow] {
        let query = SelectQuarantine(
            tenant: access.tenant,
            filter: filter,
            order: .oldestFirst,
            after: after,
            withBody: true,
            limit: limit
        )
        let collector = RowCollector<QuarantinedRow>(mostBytes: Self.batchBytes) { $0.body.count }
        do {
            try await access.stream(query, patience: ContinuousClock.now.duration(to: deadline), deadline: deadline) {
                try collector.add($0)
            }
        } catch is EnoughRows {}
        return collector.rows
    }

    private func sources(_ deadline: ContinuousClock.Instant) async throws -> [Source] {
        try await access.sources(deadline: deadline)
    }

    private func read(_ rows: [QuarantinedRow], _ sources: [Source]) -> ([Candidate], [Refusal]) {
        var mapper = RecordMapper()
        var candidates: [Candidate] = []
        var refusals: [Refusal] = []
        for row in rows {
            // What is kept of it is its beginning.
            if row.reason.code == Rejection.Code.tooLarge.rawValue {
                refusals.append(Refusal(row: row, versionNumber: row.versionNumber, reason: row.reason))
                continue
            }
            guard let source = row.source(among: sources) else {
                refusals.append(Refusal(row: row, versionNumber: nil, reason: .unknownSource))
                continue
            }
            switch mapper.accept(row, from: source, retentionDays: access.retentionDays) {
            case .success(let event): candidates.append(Candidate(row: row, event: event))
            case .failure(let rejection):
                let version = source.schema?.versionNumber
                refusals.append(Refusal(row: row, versionNumber: version, reason: QuarantineReason(rejection)))
            }
        }
        return (candidates, refusals)
    }

    // MARK: Writing

    /// Makes the months that the events need, each in a transaction of its own.
    private func haveMonths(
        _ candidates: [Candidate],
        _ refusals: [Refusal],
        _ deadline: ContinuousClock.Instant
    ) async throws -> ([Candidate], [Refusal]) {
        var answers: [Month: MonthAnswer] = [:]
        for month in Set(candidates.map { Month(of: $0.event.occurredAt) }) {
            answers[month] = try await access.transaction(deadline: deadline) { [access] connection in
                try connection.take(.calling, of: access, deadline: deadline)
                return try connection.execute(EnsureMonth(tenant: access.tenant, month: month), deadline: deadline).first
            }
        }
        var ready: [Candidate] = []
        var refusals = refusals
        for candidate in candidates {
            switch answers[Month(of: candidate.event.occurredAt)] {
            case .ready: ready.append(candidate)
            case .outOfRange: refusals.append(candidate.refusal(.timestampOutOfRange))
            case .unavailable, nil: refusals.append(candidate.refusal(.monthUnavailable))
            }
        }
        return (ready, refusals)
    }

    /// One transaction; when a row can't be stored, its halves, down to that row.
    private func store(
        _ candidates: [Candidate],
        _ refusals: [Refusal],
        _ outcome: inout Outcome,
        _ deadline: ContinuousClock.Instant
    ) async throws {
        do {
            let stored = try await access.transaction(deadline: deadline) { [access] connection in
                try connection.replay(candidates.map { ($0.row, $0.event) }, refusals, for: access, deadline: deadline)
            }
            outcome.accepted += stored.accepted
            outcome.duplicates += stored.duplicates
            outcome.refused += stored.refused
        } catch let error as PostgresError {
            guard LaneFault(error) == .row, let first = candidates.first else { throw error }
            guard candidates.count > 1 else {
                return try await store([], refusals + [first.refusal(.unstorable)], &outcome, deadline)
            }
            let middle = candidates.count / 2
            try await store(Array(candidates[..<middle]), refusals, &outcome, deadline)
            try await store(Array(candidates[middle...]), [], &outcome, deadline)
        }
    }
}

extension QuarantineReplay.Candidate {
    fileprivate func refusal(_ reason: QuarantineReason) -> QuarantineReplay.Refusal {
        QuarantineReplay.Refusal(row: row, versionNumber: event.versionNumber, reason: reason)
    }
}

extension QuarantineReason {
    static let unknownSource = QuarantineReason(.init(.unknownSource, "this tenant has no source of that name"))
}

extension QuarantinedRow {
    /// Its source as it is now, behaving as its sender did then.
    func source(among sources: [Source]) -> Source? {
        let found = sources.first { $0.id == source } ?? (source == nil ? sources.first { $0.slug == sourceSlug } : nil)
        guard let found else { return nil }
        return profile.map(found.behaving) ?? found
    }
}

extension RecordMapper {
    /// Reads a quarantined record by the schema of now, at the time at which it came. One that is kept no more stays where it is: as an
    /// event it would be gone at once.
    mutating func accept(_ row: QuarantinedRow, from source: Source, retentionDays: Int) -> Result<AcceptedEvent, Rejection> {
        accept(
            row.body,
            from: source,
            receivedAt: row.receivedAt,
            window: AcceptanceWindow(now: row.receivedAt, retentionDays: retentionDays, judgedAt: .now()),
            recordID: row.requestID
        )
    }
}

extension TenantAccess {
    /// The tenant's sources, each with the newest version of its schema.
    func sources(deadline: ContinuousClock.Instant) async throws -> [Source] {
        let rows = try await transaction(.readOnly, deadline: deadline) { connection in
            try connection.take(.reading, of: self, deadline: deadline)
            return try connection.execute(TenantSources(tenant: tenant), deadline: deadline)
        }
        return try rows.map { row throws in try row.source(of: tenant) }
    }
}
