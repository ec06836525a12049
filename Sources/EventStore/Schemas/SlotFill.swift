package import EventCore
import Postgres

/// Puts into slots what rows of earlier versions lack there: a field that became indexed, was renamed, or has another type now.
///
/// Reads are right without it; with it they need the slot's index alone. A partition at a time, oldest first, a few hundred rows a
/// transaction. Ended half-way, it goes on where it was, once no more rows of earlier versions can come: until then a month that was
/// looked at may get another one. Ingest never waits for it: it changes rows that nobody else writes.
package struct SlotFill: Sendable {
    package struct Report: Sendable {
        package let schema: String
        package let version: String
        /// Rows that lacked something.
        package internal(set) var filled = 0
        /// Nil when reads rely on it already; else run it again after this, for records that were on their way when the version was
        /// published.
        package internal(set) var openUntil: Timestamp?
        /// It was told to stop before the end.
        package internal(set) var isStopped = false
    }

    /// A body that is still coming in is read with the version with which it began. None takes longer.
    static let longestBody: Int64 = 3_600 * 1_000_000
    private static let batchBytes = 4 << 20

    private let access: TenantAccess
    private let patience: Duration

    init(_ access: TenantAccess, patience: Duration = .seconds(60)) {
        self.access = access
        self.patience = patience
    }

    private var deadline: ContinuousClock.Instant { .now + patience }

    /// - Parameters:
    ///   - name: of the schema.
    ///   - rowsPerSecond: bounds what it looks at.
    ///   - stop: when it leaves the rest to the next run.
    ///   - progress: told the month and how many rows have been filled in so far.
    package func run(
        _ name: String,
        rowsPerSecond: Int,
        until stop: ContinuousClock.Instant? = nil,
        now: Timestamp = .now(),
        progress: @Sendable (Timestamp, Int) -> Void = { _, _ in }
    ) async throws -> Report {
        let versions = try await SchemaRegistry(access).versions(name: name, withDocuments: true, deadline: deadline)
        guard let newest = versions.first else {
            throw StoreError(.notFound, "\(access.slug) has no schema \(name); sluice schema list \(access.slug) shows all")
        }
        let parsed = try versions.map { version throws in
            SchemaHistory.Version(number: version.versionNumber, document: try SchemaDocument(yaml: version.document))
        }
        var report = Report(schema: name, version: newest.version)
        guard let history = SchemaHistory(parsed) else { return report }
        let (span, state, slots) = try await situation(name, history)
        let isCurrent = state?.versionNumber == newest.versionNumber
        if isCurrent, let state, state.isDone { return report }
        // What was filled in for an earlier version is right for what did not change since.
        let filled = state.flatMap { $0.isDone ? SchemaHistory(parsed, upTo: $0.versionNumber) : nil }
        let work = Work(history: history, versions: history.unfilledVersions(since: filled), slots: slots, rate: rowsPerSecond, stop: stop)
        let opensUntil = newest.createdAt.adding(microseconds: Self.longestBody)
        // Until then a month that was looked at may get another row of an earlier version: nothing of it is written down.
        let isSettled = now > opensUntil
        if let span, !work.versions.isEmpty {
            var start = span.first
            if isSettled, isCurrent, let state { start = max(start, state.filledTo) }
            while start <= span.last {
                let end = Month(of: start).start(monthsOn: 1)
                let reached = try await fill(start..<end, work, &report)
                if isSettled { try await note(name, newest, filledTo: reached) }
                progress(start, report.filled)
                if reached < end {
                    report.isStopped = true
                    return report
                }
                start = end
            }
        }
        guard isSettled else {
            if !work.versions.isEmpty { report.openUntil = opensUntil }
            return report
        }
        // With more versions than are listed nobody knows that all rows were looked at: the next run looks at all of them once more.
        let isDone = versions.last?.version == SchemaVersion.first.description
        try await note(name, newest, filledTo: isDone ? .latestWritable : .epoch, isDone: isDone)
        if !isDone { report.openUntil = opensUntil }
        return report
    }

    /// What one run does.
    private struct Work {
        let history: SchemaHistory
        let versions: [Int32]
        let slots: [String: Int]
        let rate: Int
        let stop: ContinuousClock.Instant?

        var isOver: Bool { stop.map { $0 <= .now } ?? false }
    }

    private func situation(
        _ name: String,
        _ history: SchemaHistory
    ) async throws -> (span: (first: Timestamp, last: Timestamp)?, state: SlotFillState?, slots: [String: Int]) {
        let deadline = deadline
        return try await access.transaction(.readOnly, deadline: deadline) { [access] connection in
            try connection.take(.reading, of: access, deadline: deadline)
            let states = try connection.execute(ListSlotFills(tenant: access.tenant), deadline: deadline)
            let plan = SlotPlan(
                history.newest.document,
                given: try connection.execute(ListSlots(tenant: access.tenant), deadline: deadline)
            )
            let span = try connection.execute(EventSpan(tenant: access.tenant), deadline: deadline).first ?? nil
            return (span, states.first { $0.schemaName == name }, plan.byField)
        }
    }

    /// Up to where it came: the window's end, unless it is to stop.
    private func fill(_ window: Range<Timestamp>, _ work: Work, _ report: inout Report) async throws -> Timestamp {
        var after = EventPosition(occurredAt: window.lowerBound, id: EventID(high: 0, low: 0))
        while !work.isOver {
            let start = ContinuousClock.now
            let query = SelectUnfilled(tenant: access.tenant, after: after, end: window.upperBound, versions: work.versions)
            let collector = RowCollector<UnfilledRow>(mostBytes: Self.batchBytes) { $0.fields.count + $0.extra.count }
            do {
                try await access.stream(query, patience: patience, deadline: deadline) { try collector.add($0) }
            } catch is EnoughRows {}
            let rows = collector.rows
            guard let last = rows.last else { return window.upperBound }
            after = last.position
            let changed = rows.compactMap { $0.filled(work.history, work.slots) }
            if !changed.isEmpty {
                let deadline = deadline
                try await access.transaction(deadline: deadline) { [access] connection in
                    try connection.take(.reading, of: access, deadline: deadline)
                    _ = try connection.execute(FillSlots(tenant: access.tenant, rows: changed), deadline: deadline)
                }
                report.filled += changed.count
            }
            let pace = Duration.seconds(1) * rows.count / max(work.rate, 1)
            try await Task.sleep(until: start + pace, clock: .continuous)
        }
        return after.occurredAt
    }

    private func note(_ name: String, _ version: SchemaVersionRecord, filledTo: Timestamp, isDone: Bool = false) async throws {
        let state = SlotFillState(schemaName: name, versionNumber: version.versionNumber, filledTo: filledTo, isDone: isDone)
        let deadline = deadline
        try await access.transaction(deadline: deadline) { [access] connection in
            try connection.take(.reading, of: access, deadline: deadline)
            _ = try connection.execute(NoteSlotFill(tenant: access.tenant, state: state), deadline: deadline)
        }
    }
}

extension UnfilledRow {
    /// The same with the slots of the newest shape; nil when it has them.
    fileprivate func filled(_ history: SchemaHistory, _ numbers: [String: Int]) -> UnfilledRow? {
        let shaped = history.shaped(fields: fields, extra: extra, readWith: versionNumber)
        let texts = history.slotTexts(shaped.fields, slots: numbers)
        var slots = slots
        // A slot of another field, that this version has no more, keeps what it has.
        for slot in numbers.values { slots[slot - 1] = texts[slot] }
        guard slots != self.slots else { return nil }
        return UnfilledRow(
            occurredAt: occurredAt,
            id: id,
            versionNumber: versionNumber,
            fields: fields,
            extra: extra,
            slots: slots
        )
    }
}

extension Timestamp {
    /// The last that PostgreSQL and RFC 3339 both write.
    fileprivate static let latestWritable = Timestamp(microsecondsSince1970: 253_402_300_799_000_000)
}

extension Administration {
    /// Fills in the slots of one tenant's old rows.
    package func slotFill(tenant slug: String) async throws -> SlotFill {
        SlotFill(try await access(tenant: slug))
    }

    /// Fills in, for a while, what no one has: schemas whose newest version is old enough for that, the oldest first.
    package func fillSlots(rowsPerSecond: Int, for budget: Duration) async throws -> (filled: Int, left: Int) {
        let stop = ContinuousClock.now + budget
        let schemas = try await act(.readOnly) { connection, deadline in try connection.execute(UnfilledSchemas(), deadline: deadline) }
        var (filled, left) = (0, 0)
        var fault: (any Error)?
        for (slug, name) in schemas {
            guard stop > .now, !Task.isCancelled else {
                left += 1
                continue
            }
            do {
                let report = try await slotFill(tenant: slug).run(name, rowsPerSecond: rowsPerSecond, until: stop)
                filled += report.filled
                if report.isStopped { left += 1 }
            } catch {
                // No other tenant waits for it.
                fault = fault ?? error
            }
        }
        if let fault { throw fault }
        return (filled, left)
    }
}
