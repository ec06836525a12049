package import EventCore
import Postgres

/// A number about the whole installation.
package struct OperationsFigure: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        /// Months after this one that have partitions without a gap.
        case monthsAhead = "months_ahead"
        /// Of a tenant, or of `other`: those beyond the largest 200.
        case quarantineBytes = "quarantine_bytes"
        /// Of a source: Unix seconds; seconds; 1 when it is silent for longer than it ever was lately.
        case sourceLastRequest = "source_last_request"
        case sourceUsualGap = "source_usual_gap"
        case sourceQuiet = "source_quiet"
        /// Of a maintenance task: Unix seconds of its last start, and of the last that came to a good end; seconds; 1 when its last run failed.
        case taskStarted = "task_started"
        case taskSucceeded = "task_succeeded"
        case taskSeconds = "task_seconds"
        case taskFailed = "task_failed"
    }

    package let kind: Kind
    /// Slugs, where the figure is about one tenant or source.
    package let tenant: String?
    package let source: String?
    /// Its name, where the figure is about maintenance.
    package let task: String?
    package let value: Double
}

/// What was heard of a source since it was last told.
package struct HeardSource: Sendable, Equatable {
    package let tenant: TenantID
    package let source: SourceID
    package let first: Timestamp
    package let last: Timestamp
    /// Requests.
    package let count: Int

    package init(tenant: TenantID, source: SourceID, first: Timestamp, last: Timestamp, count: Int) {
        self.tenant = tenant
        self.source = source
        self.first = first
        self.last = last
        self.count = count
    }
}

extension Installation {
    package func figures(deadline: ContinuousClock.Instant) async throws -> [OperationsFigure] {
        try await database.call(OperationsFigures(), deadline: deadline).compactMap { $0 }
    }

    /// Writes down when sources were heard of; those that are gone are ignored.
    package func note(_ heard: [HeardSource], deadline: ContinuousClock.Instant) async throws {
        guard !heard.isEmpty else { return }
        _ = try await database.call(NoteActivity(heard: heard), deadline: deadline)
    }
}

struct OperationsFigures: Statement {
    static let name = "operations_figures"
    static let sql = """
        SELECT figure, tenant, source, NULL AS task, value FROM sluice.operations_figures()
        UNION ALL
        SELECT f.figure, NULL, NULL, m.task, f.value
        FROM sluice.maintenance_state() m,
             LATERAL (VALUES ('task_started', date_part('epoch', m.started_at)),
                             ('task_succeeded', date_part('epoch', m.succeeded_at)),
                             ('task_seconds', CASE WHEN m.finished_at IS NOT NULL THEN m.seconds END),
                             ('task_failed', CASE WHEN m.finished_at IS NULL THEN NULL
                                                  WHEN m.succeeded_at = m.started_at THEN 0 ELSE 1 END)) f (figure, value)
        WHERE f.value IS NOT NULL
        """

    func bind(_ bindings: inout Bindings) {}

    /// Nil for a figure that only a newer release knows.
    static func decode(_ row: Row) throws(PostgresError) -> OperationsFigure? {
        guard let kind = OperationsFigure.Kind(rawValue: try row.decode(0, as: String.self)) else { return nil }
        return OperationsFigure(
            kind: kind,
            tenant: try row.decodeIfPresent(1),
            source: try row.decodeIfPresent(2),
            task: try row.decodeIfPresent(3),
            value: try row.decode(4)
        )
    }
}

struct NoteActivity: Statement {
    static let name = "note_activity"
    static let sql = "SELECT sluice.note_activity($1, $2, $3, $4, $5) IS NULL"

    let heard: [HeardSource]

    func bind(_ bindings: inout Bindings) {
        bindings.appendArray(of: Int32.self, heard) { $0.tenant.rawValue }
        bindings.appendArray(of: Int32.self, heard) { $0.source.rawValue }
        bindings.appendArray(of: TimestampTZ.self, heard) { $0.first.timestamptz }
        bindings.appendArray(of: TimestampTZ.self, heard) { $0.last.timestamptz }
        bindings.appendArray(of: Int32.self, heard) { Int32(clamping: $0.count) }
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}
