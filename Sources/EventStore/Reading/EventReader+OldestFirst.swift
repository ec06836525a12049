import EventCore
import Postgres

extension EventReader {
    /// As `page`, oldest first: `occurred_at` is walked forwards in the same windows.
    func oldestFirst(
        of tenant: TenantID,
        retentionDays: Int,
        filter: EventFilter,
        schemas: TenantSchemas,
        after: EventPosition?,
        limit: Int,
        now: Timestamp,
        deadline: ContinuousClock.Instant
    ) async throws -> EventPage {
        let queries = try filter.fields.map { try schemas.query($0) }
        let end = min(filter.to ?? .latestPossible, now.adding(days: 2))
        var start = max(filter.from ?? .oldestPossible, now.adding(days: -retentionDays), .oldestPossible)
        if let after { start = max(start, after.occurredAt) }
        let found = PageBuilder(maximumRows: limit, maximumBytes: Self.maximumPageBytes)
        var windows = Self.windowMonths[...]
        while start < end, !found.isFull {
            let stop = windows.popFirst().map { min(end, Month(of: start).start(monthsOn: $0)) } ?? end
            try await collect(start..<stop, of: tenant, filter, schemas, queries, after: after, into: found, deadline: deadline)
            start = stop
        }
        return found.page
    }
}

extension Month {
    /// The start of the month that is `months` after this one (0: its own).
    func start(monthsOn months: Int) -> Timestamp {
        var month = self
        for _ in 0..<max(0, months) {
            // The 32nd of a month is in the next one.
            month = Month(of: Timestamp(microsecondsSince1970: (Int64(month.firstDay) + 31) * 86_400_000_000))
        }
        return Timestamp(microsecondsSince1970: Int64(month.firstDay) * 86_400_000_000)
    }
}
