package import EventCore
import Postgres

/// Runs a draft over what a tenant has: its accepted events, rebuilt as they were sent, and its quarantine. Writes nothing.
package struct Rehearsal: Sendable {
    package struct Report: Sendable {
        package let plan: SchemaPlan
        /// Slugs of the sources that would read with it.
        package let sources: [String]
        package var passing = 0
        package var breaking = 0
        package var examples: [Example] = []
        package var rescued = 0
        /// Some of those that would be rescued, the oldest.
        package var rescuedExamples: [QuarantineNumber] = []
        /// Quarantined records that would stay there, by the reason's code.
        package var failing: [String: Int] = [:]
        /// Some of them, the oldest.
        package var failingExamples: [FailingExample] = []

        fileprivate mutating func rescue(_ row: QuarantinedRow) {
            rescued += 1
            if rescuedExamples.count < Rehearsal.mostExamples { rescuedExamples.append(row.id) }
        }

        fileprivate mutating func fail(_ row: QuarantinedRow, _ reason: QuarantineReason) {
            failing[reason.code, default: 0] += 1
            if failingExamples.count < Rehearsal.mostExamples { failingExamples.append(FailingExample(id: row.id, reason: reason)) }
        }
    }

    /// A quarantined record that would stay there.
    package struct FailingExample: Sendable {
        package let id: QuarantineNumber
        package let reason: QuarantineReason
    }

    /// An event that would be refused. Names places, never what was sent there.
    package struct Example: Sendable {
        package let id: EventID
        package let reason: QuarantineReason
    }

    private static let mostExamples = 5
    private static let batchRows = 500
    private static let batchBytes = 4 << 20

    private let access: TenantAccess
    /// Of each of its transactions.
    private let patience: Duration

    package init(_ access: TenantAccess, patience: Duration = .seconds(60)) {
        self.access = access
        self.patience = patience
    }

    private var deadline: ContinuousClock.Instant { .now + patience }

    /// - Parameters:
    ///   - source: reads with the draft even if it reads with another schema now; nil: those that read with this schema.
    ///   - days: events that occurred, and records that were received, so many days ago or later.
    package func run(_ document: SchemaDocument, source: String? = nil, days: Int, now: Timestamp = .now()) async throws -> Report {
        let plan = try await SchemaRegistry(access).plan(document, deadline: deadline)
        let sources = try await sources(plan, named: source)
        var report = Report(plan: plan, sources: sources.map(\.slug).sorted())
        let start = max(now.adding(days: -max(days, 0)), .epoch)
        try await rehearse(eventsSince: start, sources, &report)
        try await rehearse(quarantineSince: start, sources, &report)
        return report
    }

    private func sources(_ plan: SchemaPlan, named slug: String?) async throws -> [Source] {
        // A number that no version has: nothing that is read here is ever stored.
        let draft = plan.compiled(versionNumber: 0)
        let found = try await access.sources(deadline: deadline).filter { source in
            if let slug { return source.slug == slug }
            return source.schema?.document.name == plan.document.name || (plan.isAdopted && source.slug == Source.defaultSlug)
        }
        guard !found.isEmpty else {
            let what = slug.map { "no source \($0)" } ?? "no source that reads with the schema \(plan.document.name)"
            throw StoreError(.notFound, "\(access.slug) has \(what); sluice source list \(access.slug) shows all, and --source takes one")
        }
        return found.map { Source(id: $0.id, tenant: $0.tenant, slug: $0.slug, profile: $0.profile, schema: draft) }
    }

    private func rehearse(eventsSince start: Timestamp, _ sources: [Source], _ report: inout Report) async throws {
        var mapper = RecordMapper()
        var documents: [Int32: SchemaDocument] = [:]
        // Before all ids of that moment.
        var after = EventPosition(occurredAt: start, id: EventID(high: 0, low: 0))
        while true {
            let events = try await events(after: after, sources)
            guard let last = events.last else { return }
            after = last.position
            try await load(Set(events.map(\.versionNumber)), into: &documents)
            for event in events {
                guard let source = sources.first(where: { $0.id == event.source }) else { continue }
                let result = mapper.accept(
                    event.stored.original(readWith: documents[event.versionNumber]),
                    from: source,
                    receivedAt: event.receivedAt,
                    window: AcceptanceWindow(now: event.receivedAt, retentionDays: access.retentionDays)
                )
                switch result {
                case .success: report.passing += 1
                case .failure(let rejection):
                    report.breaking += 1
                    guard report.examples.count < Self.mostExamples else { continue }
                    report.examples.append(Example(id: event.id, reason: QuarantineReason(rejection)))
                }
            }
        }
    }

    private func events(after: EventPosition, _ sources: [Source]) async throws -> [RehearsedEvent] {
        let query = SelectRehearsed(tenant: access.tenant, after: after, sources: sources.map(\.id), limit: Self.batchRows)
        let collector = RowCollector<RehearsedEvent>(mostBytes: Self.batchBytes) { $0.stored.fields.count + $0.stored.extra.count }
        do {
            try await access.stream(query, patience: patience, deadline: deadline) { try collector.add($0) }
        } catch is EnoughRows {}
        return collector.rows
    }

    private func load(_ numbers: Set<Int32>, into documents: inout [Int32: SchemaDocument]) async throws {
        let missing = numbers.filter { $0 > 0 && documents[$0] == nil }
        guard !missing.isEmpty else { return }
        let deadline = deadline
        let found = try await access.transaction(.readOnly, deadline: deadline) { [access] connection in
            try connection.take(.reading, of: access, deadline: deadline)
            return try connection.execute(SchemaDocuments(tenant: access.tenant, numbers: Array(missing)), deadline: deadline)
        }
        for (number, document) in found { documents[number] = try SchemaDocument(yaml: document) }
    }

    private func rehearse(quarantineSince start: Timestamp, _ sources: [Source], _ report: inout Report) async throws {
        var mapper = RecordMapper()
        var after: EventPosition?
        while true {
            let query = SelectQuarantine(
                tenant: access.tenant,
                filter: QuarantineFilter(from: start),
                order: .oldestFirst,
                after: after,
                withBody: true,
                limit: Self.batchRows
            )
            let collector = RowCollector<QuarantinedRow>(mostBytes: Self.batchBytes) { $0.body.count }
            do {
                try await access.stream(query, patience: patience, deadline: deadline) { try collector.add($0) }
            } catch is EnoughRows {}
            let rows = collector.rows
            guard let last = rows.last else { return }
            after = last.position
            for row in rows {
                guard let source = row.source(among: sources) else { continue }
                if row.reason.code == Rejection.Code.tooLarge.rawValue {
                    report.fail(row, row.reason)
                    continue
                }
                switch mapper.accept(row, from: source, retentionDays: access.retentionDays) {
                case .success: report.rescue(row)
                case .failure(let rejection): report.fail(row, QuarantineReason(rejection))
                }
            }
        }
    }
}
