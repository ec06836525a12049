import EventCore

/// The windows of `occurred_at` in which a page's events are looked for, one after the other in the filter's order.
///
/// Where an index finds the events, each month that is looked into costs a page about as much as ten of its rows, and each window a round trip: two
/// months, then a year of them, then all others. Where rows may be read in vain, windows grow as long as they are quick, so that a page can
/// end between two of them.
struct EventWindows {
    /// In microseconds: an hour, and more than ten years.
    private static let (hour, decade): (Int64, Int64) = (3_600_000_000, 4_000 * 86_400_000_000)
    private static let quick = Duration.milliseconds(250)
    private static let slow = Duration.seconds(1)

    /// How many months an index is asked for, window by window; then for all the others.
    private static let months = [2, 12]

    private let order: EventOrder
    private let now: Timestamp
    private var start: Timestamp
    private var end: Timestamp
    private let isBounded: Bool
    private let isLed: Bool
    private var given = 0
    private var span = hour
    /// Where the last window that was given began to be walked.
    private var edge: Timestamp?

    /// - Parameters:
    ///   - start: of all windows.
    ///   - end: of all windows; not in them.
    ///   - isBounded: a filter says where the walk ends; else all that is kept is walked.
    ///   - isLed: an index leads to the rows, and hardly to others.
    init(_ order: EventOrder, from start: Timestamp, to end: Timestamp, isBounded: Bool, isLed: Bool, now: Timestamp) {
        self.order = order
        self.isBounded = isBounded
        self.now = now
        self.start = start
        self.end = end
        self.isLed = isLed
    }

    /// The next window; nil when all were given.
    mutating func next() -> Range<Timestamp>? {
        guard start < end else { return nil }
        let edge: Timestamp?
        switch order {
        case _ where isLed && given >= Self.months.count: edge = nil
        // Hardly anything lies ahead of the clock.
        case .newestFirst where isLed: edge = Month(of: min(end.previous, now)).start(monthsBack: Self.months[given] - 1)
        case .oldestFirst where isLed: edge = Month(of: start).start(monthsOn: Self.months[given])
        case .newestFirst: edge = min(end, now).adding(microseconds: -span)
        case .oldestFirst: edge = start.adding(microseconds: span)
        }
        given += 1
        switch order {
        case .newestFirst:
            let edge = max(start, edge ?? start)
            self.edge = end
            defer { end = edge }
            return edge..<end
        case .oldestFirst:
            let edge = min(end, edge ?? end)
            self.edge = start
            defer { start = edge }
            return start..<edge
        }
    }

    /// The last window that was given is of many months, and whole: no filter's bound cuts its last one.
    var isWide: Bool { isLed && given > 1 && (start < end || !isBounded) }

    /// Tells how long the last window took.
    mutating func took(_ time: Duration) {
        if time < Self.quick { span = min(span * 4, Self.decade) }
        if time > Self.slow { span = max(span / 4, Self.hour) }
    }

    /// Behind every event of the windows so far, before those of the next ones; nil when there are none.
    var position: EventPosition? {
        guard start < end else { return nil }
        return order == .newestFirst ? position(at: end) : position(at: start)
    }

    /// As `position`, but before the window that was given last: it was not walked to its end.
    var positionBefore: EventPosition? { edge.map(position(at:)) }

    private func position(at edge: Timestamp) -> EventPosition {
        switch order {
        case .newestFirst: EventPosition(occurredAt: edge.previous, id: .greatest)
        case .oldestFirst: EventPosition(occurredAt: edge, id: .least)
        }
    }
}
