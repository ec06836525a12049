package import EventCore
import Postgres

/// Reads one tenant's events.
package struct EventReader: Sendable {
    private let database: Database

    package init(_ database: Database) {
        self.database = database
    }

    /// A page, newest first. `occurred_at` is walked backwards in windows of one month, two, four … so that a page out of a
    /// few recent months never plans for, or looks into, the other hundred.
    ///
    /// A page also ends when it holds `maximumPageBytes`, for a row may hold a megabyte.
    ///
    /// - Parameters:
    ///   - retentionDays: older events are invisible, whether or not they are purged yet.
    ///   - after: the last position of the page before.
    ///   - limit: 1 and up.
    package func page(
        of tenant: TenantID,
        retentionDays: Int,
        filter: EventFilter,
        after: EventPosition?,
        limit: Int,
        now: Timestamp,
        deadline: ContinuousClock.Instant
    ) async throws -> EventPage {
        let oldest = max(filter.from ?? .oldestPossible, now.adding(days: -retentionDays), .oldestPossible)
        // Nothing is stored beyond 24 h ahead of the clock that received it; a day more for clocks that differ.
        var end = min(filter.to ?? .latestPossible, now.adding(days: 2))
        if let after { end = min(end, after.occurredAt.next) }
        let found = PageBuilder(maximumRows: limit, maximumBytes: Self.maximumPageBytes)
        var months = 0
        while oldest < end, !found.isFull {
            let start = max(oldest, Month(of: end.previous).start(monthsBack: months))
            let query = SelectEvents(
                tenant: tenant,
                filter: filter,
                window: start..<end,
                after: after,
                limit: limit + 1 - found.count
            )
            try await database.stream(query, as: tenant, deadline: deadline) { found.add($0) }
            end = start
            months = months * 2 + 1
        }
        return found.page
    }

    /// Of JSON text in one page; the row that goes beyond it is the page's last.
    package static let maximumPageBytes = 8 << 20

    /// One event. Another tenant's id is as absent as one that never was.
    package func event(
        _ id: EventID,
        of tenant: TenantID,
        retentionDays: Int,
        now: Timestamp,
        deadline: ContinuousClock.Instant
    ) async throws -> StoredEvent? {
        let start = Timestamp(milliseconds: id.milliseconds)
        let visible = max(start, now.adding(days: -retentionDays))
        let window = visible..<max(visible, start.adding(microseconds: 1000))
        guard !window.isEmpty else { return nil }
        let query = SelectEvents(tenant: tenant, filter: EventFilter(), window: window, id: id, limit: 1)
        return try await database.read(query, as: tenant, deadline: deadline).first
    }
}

extension Timestamp {
    static let oldestPossible = Timestamp(microsecondsSince1970: 0)
    static let latestPossible = Timestamp(microsecondsSince1970: .max / 4)

    /// An id has 48 bits of milliseconds: no overflow.
    init(milliseconds: Int64) {
        self.init(microsecondsSince1970: milliseconds * 1000)
    }

    func adding(microseconds: Int64) -> Timestamp {
        let (sum, overflow) = microsecondsSince1970.addingReportingOverflow(microseconds)
        return overflow ? self : Timestamp(microsecondsSince1970: sum)
    }

    var next: Timestamp { adding(microseconds: 1) }
    var previous: Timestamp { adding(microseconds: -1) }
}
