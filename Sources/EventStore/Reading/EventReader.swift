package import EventCore
import Postgres

/// Reads one tenant's events.
package struct EventReader: Sendable {
    let database: Database
    private let schemaCache: TenantSchemaCache

    /// - Parameters:
    ///   - freshness: how long a tenant's schemas are believed.
    ///   - timeout: how long loading them may take.
    package init(_ database: Database, freshness: Duration = .seconds(1), timeout: Duration = .seconds(30)) {
        self.database = database
        schemaCache = TenantSchemaCache(database, freshness: freshness, timeout: timeout)
    }

    /// What a tenant's events can be filtered by, besides their columns.
    package func schemas(of tenant: TenantID) async throws -> TenantSchemas {
        try await schemaCache.schemas(of: tenant)
    }

    /// A page, in the filter's order; newest first unless it says otherwise.
    ///
    /// A page also ends when it holds `maximumPageBytes`, for a row may hold a megabyte, and when it took long: then it may have few events,
    /// or none, and says where to go on all the same.
    /// Every event is in the newest shape of its schema, whichever version it was read with, and is filtered by that shape.
    ///
    /// - Parameters:
    ///   - retentionDays: older events are invisible, whether or not they are purged yet.
    ///   - after: the last position of the page before.
    ///   - limit: 1 and up.
    ///   - schemas: whose newest versions give the shape, where several pages are to have the same one; nil: those there are now.
    ///   - enough: when the page ends with what was found by then; nil: when half of the time until the deadline is over.
    package func page(
        of tenant: TenantID,
        retentionDays: Int,
        filter: EventFilter,
        schemas pinned: TenantSchemas? = nil,
        after: EventPosition?,
        limit: Int,
        now: Timestamp,
        enough: ContinuousClock.Instant? = nil,
        deadline: ContinuousClock.Instant
    ) async throws -> EventPage {
        let begun = ContinuousClock.now
        let enough = enough ?? begun + begun.duration(to: deadline) / 2
        let schemas = if let pinned { pinned } else { try await schemas(of: tenant) }
        let queries = try filter.fields.map { try schemas.query($0) }
        var start = max(filter.from ?? .oldestPossible, now.adding(days: -retentionDays), .oldestPossible)
        // Nothing is stored beyond 24 h ahead of the clock that received it; a day more for clocks that differ.
        var end = min(filter.to ?? .latestPossible, now.adding(days: 2))
        if let after {
            switch filter.order {
            case .newestFirst: end = min(end, after.occurredAt.next)
            case .oldestFirst: start = max(start, after.occurredAt)
            }
        }
        let isBounded = (filter.order == .newestFirst ? filter.from : filter.to) != nil
        var windows = EventWindows(
            filter.order,
            from: start,
            to: end,
            isBounded: isBounded,
            isLed: Self.isLed(filter, queries),
            now: now
        )
        let found = PageBuilder(maximumRows: limit, maximumBytes: Self.maximumPageBytes)
        // What is left then is for the answer.
        let latest = enough + enough.duration(to: deadline) / 2
        var isFirst = true
        while let window = windows.next() {
            let began = ContinuousClock.now
            let walk = Walk(
                tenant: tenant,
                filter: filter,
                schemas: schemas,
                queries: queries,
                window: window,
                isWide: windows.isWide
            )
            let stopped: EventPosition?
            do {
                stopped = try await collect(walk, after: after, into: found, enough: enough, deadline: isFirst ? deadline : latest)
            } catch let error as PostgresError where (!isFirst || found.last != nil) && (error.isOutOfTime || error.code == .poolTimeout) {
                // What it gave so far is right, and a place to go on; the next page's first window is small again.
                return EventPage(events: found.page.events, next: found.last ?? windows.positionBefore)
            }
            if found.isFull { break }
            if let stopped { return EventPage(events: found.page.events, next: stopped) }
            let ended = ContinuousClock.now
            if ended >= enough { return EventPage(events: found.page.events, next: windows.position) }
            windows.took(began.duration(to: ended))
            isFirst = false
        }
        return found.page
    }

    /// Whether an index leads to the filter's events: of several conditions PostgreSQL's serves one.
    private static func isLed(_ filter: EventFilter, _ queries: [TenantSchemas.FieldQuery]) -> Bool {
        let conditions = [filter.actor, filter.machine].compactMap { $0 }.count + queries.count
        return conditions <= 1 && filter.type == nil && filter.source == nil && queries.allSatisfy(\.isIndexed)
    }

    /// What is walked for a page.
    private struct Walk {
        let tenant: TenantID
        let filter: EventFilter
        let schemas: TenantSchemas
        let queries: [TenantSchemas.FieldQuery]
        let window: Range<Timestamp>
        let isWide: Bool
    }

    /// Adds a window's events to a page, in the filter's order, until the page is full or the window walked.
    ///
    /// - Returns: where the window was left because it was `enough`; else nil.
    private func collect(
        _ walk: Walk,
        after: EventPosition?,
        into found: PageBuilder,
        enough: ContinuousClock.Instant,
        deadline: ContinuousClock.Instant
    ) async throws -> EventPosition? {
        let isExact = walk.queries.allSatisfy(\.isExact)
        var position = after
        while true {
            let most = max(found.maximumRows + 1 - found.count, isExact ? 0 : Self.candidates)
            let query = SelectEvents(
                tenant: walk.tenant,
                filter: walk.filter,
                window: walk.window,
                after: position,
                fields: walk.queries.map(\.places),
                isWide: walk.isWide,
                limit: most
            )
            let walked = WalkedRows()
            try await database.stream(query, as: walk.tenant, deadline: deadline) { event in
                walked.add(event)
                let goesOn = walk.schemas.shaped(event, walk.queries).map(found.add) ?? true
                // Behind the last row there is nothing to call off.
                return goesOn || walked.count == most
            }
            // Rows that only might have matched leave room for those behind them.
            guard !found.isFull, walked.count == most else { return nil }
            position = walked.last
            if ContinuousClock.now >= enough { return position }
        }
    }

    /// How many rows are asked for at once where not every one of them is known to match.
    static let candidates = 500

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
        guard let event = try await database.read(query, as: tenant, deadline: deadline).first else { return nil }
        return try await schemas(of: tenant).shaped(event, [])
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
