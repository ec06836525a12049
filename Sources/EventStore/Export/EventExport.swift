package import EventCore

/// Everything of one tenant that matches, a page at a time.
///
/// Each page is a query of its own: between two of them nothing is held, no connection, no snapshot, no lane, however long the reader
/// takes. An event that is stored meanwhile is in it when it lies behind the place that was reached. All have the shape that was the newest
/// at the beginning; of a version that is published meanwhile events are given as they are stored, and match no filter by a field.
package struct EventExport: Sendable {
    /// Rows of one page.
    private static let pageRows = 1_000

    /// What one query found, to be written: that is much work too, which can be done while the next one is asked for.
    package struct Page: Sendable {
        fileprivate let header: [UInt8]
        fileprivate let events: [StoredEvent]
        fileprivate let lines: EventLines
        /// No event was given before.
        fileprivate let isFirst: Bool
        fileprivate let footer: [UInt8]

        /// Its text, which may be empty.
        package func text() -> [UInt8] {
            var text = header
            text.reserveCapacity(text.count + events.reduce(0) { $0 + $1.fields.count + $1.extra.count + 320 })
            for (place, event) in events.enumerated() { lines.append(event, isFirst: isFirst && place == 0, to: &text) }
            text += footer
            return text
        }
    }

    private let lines: EventLines
    private let reader: EventReader
    private let tenant: TenantID
    private let retentionDays: Int
    private let filter: EventFilter
    private let schemas: TenantSchemas
    private var isStarted: Bool
    private var isFinished = false
    /// Rows given so far, those before `after` not counted.
    package private(set) var rows = 0
    /// Behind the last event that was given, or where this went on from.
    package private(set) var position: EventPosition?

    /// - Parameters:
    ///   - schemas: that the lines were made for.
    ///   - retentionDays: older events are in no page, also when they grow too old on the way.
    ///   - after: goes on behind this event of an earlier export with the same filter, without a header.
    package init(
        _ reader: EventReader,
        of tenant: TenantID,
        retentionDays: Int,
        filter: EventFilter,
        schemas: TenantSchemas,
        lines: EventLines,
        after: EventPosition? = nil
    ) {
        self.reader = reader
        self.tenant = tenant
        self.retentionDays = retentionDays
        self.filter = filter
        self.schemas = schemas
        self.lines = lines
        position = after
        isStarted = after != nil
    }

    /// The next page; nil when there is no more. After an error the same page can be asked for again.
    ///
    /// - Parameter deadline: for the database, of this page alone.
    package mutating func next(now: Timestamp = .now(), deadline: ContinuousClock.Instant) async throws -> Page? {
        guard !isFinished else { return nil }
        let page = try await reader.page(
            of: tenant,
            retentionDays: retentionDays,
            filter: filter,
            schemas: schemas,
            after: position,
            limit: Self.pageRows,
            now: now,
            deadline: deadline
        )
        let found = Page(
            header: isStarted ? [] : lines.header,
            events: page.events,
            lines: lines,
            isFirst: rows == 0,
            footer: page.next == nil ? lines.footer : []
        )
        rows += page.events.count
        position = page.next ?? page.events.last?.position ?? position
        isStarted = true
        isFinished = page.next == nil
        return found
    }
}
