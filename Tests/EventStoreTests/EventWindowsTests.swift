import EventCore
import Testing

@testable import EventStore

@Suite struct EventWindowsTests {
    private static let now = Timestamp(microsecondsSince1970: 1_795_000_000_000_000)
    private static let hour: Int64 = 3_600_000_000
    /// From and to, in microseconds from now.
    private static let ranges: [(Int64, Int64)] = [
        (-90 * 24 * hour, 48 * hour), (-3_650 * 24 * hour, 48 * hour), (-1, 0), (0, 1), (hour, 48 * hour), (-5, -5), (10, -10),
    ]

    /// Windows adjoin, in order, from one end to the other, however long each took.
    @Test(arguments: [EventOrder.newestFirst, .oldestFirst], [true, false])
    func coverAllOnce(order: EventOrder, isLed: Bool) {
        for (from, to) in Self.ranges {
            for times in [[Duration.zero], [.seconds(2)], [.zero, .zero, .zero, .seconds(2), .milliseconds(500)]] {
                let (start, end) = (Self.now.adding(microseconds: from), Self.now.adding(microseconds: to))
                var windows = EventWindows(order, from: start, to: end, isBounded: false, isLed: isLed, now: Self.now)
                var edge = order == .newestFirst ? end : start
                var count = 0
                while let window = windows.next(), count < 100_000 {
                    #expect(!window.isEmpty)
                    #expect((order == .newestFirst ? window.upperBound : window.lowerBound) == edge)
                    let before = order == .newestFirst ? edge.previous : edge
                    #expect(windows.positionBefore?.occurredAt == before)
                    edge = order == .newestFirst ? window.lowerBound : window.upperBound
                    windows.took(times[count % times.count])
                    count += 1
                }
                #expect(edge == (order == .newestFirst ? min(start, end) : max(start, end)) || from >= to)
                #expect((count == 0) == (from >= to) && windows.position == nil)
            }
        }
    }

    @Test func growWhileTheyAreQuickAndShrinkWhenTheyAreSlow() throws {
        let start = Self.now.adding(days: -3_000)
        var windows = EventWindows(.oldestFirst, from: start, to: Self.now, isBounded: false, isLed: false, now: Self.now)
        var lengths: [Int64] = []
        for time in [Duration.zero, .zero, .milliseconds(500), .seconds(2), .seconds(2), .seconds(2)] {
            let next = windows.next()
            let window = try #require(next)
            lengths.append((window.upperBound.microsecondsSince1970 - window.lowerBound.microsecondsSince1970) / Self.hour)
            windows.took(time)
        }
        #expect(lengths == [1, 4, 16, 16, 4, 1])
    }

    /// Two months, a year of them, all others; the far end of a window that is wide is never a filter's bound.
    @Test(arguments: [EventOrder.newestFirst, .oldestFirst], [true, false])
    func lookIntoFewMonthsFirstWhereAnIndexLeads(order: EventOrder, isBounded: Bool) throws {
        // Of November 2026.
        let start = try #require(Timestamp(rfc3339: "2021-03-07T12:00:00Z"))
        var windows = EventWindows(order, from: start, to: Self.now, isBounded: isBounded, isLed: true, now: Self.now)
        var bounds: [String] = []
        var wide: [Bool] = []
        while let window = windows.next() {
            let far = order == .newestFirst ? window.lowerBound : window.upperBound
            bounds.append(far == start || far == Self.now ? "end" : String(far.rfc3339().prefix(10)))
            wide.append(windows.isWide)
        }
        switch order {
        case .newestFirst: #expect(bounds == ["2026-10-01", "2025-10-01", "end"])
        case .oldestFirst: #expect(bounds == ["2021-05-01", "2022-05-01", "end"])
        }
        #expect(wide == [false, true, !isBounded])
    }

    /// A bound within the second window, and one at a month's start.
    @Test(arguments: ["2026-03-07T12:00:00Z", "2026-03-01T00:00:00Z", "2026-10-01T00:00:00Z"])
    func areNotWideBeforeAFiltersBound(from: String) throws {
        let start = try #require(Timestamp(rfc3339: from))
        var windows = EventWindows(.newestFirst, from: start, to: Self.now, isBounded: true, isLed: true, now: Self.now)
        while let window = windows.next() { #expect(!windows.isWide, "\(window)") }
    }
}
