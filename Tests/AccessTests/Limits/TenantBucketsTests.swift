import EventCore
import Testing

@testable import Access

@Suite struct TenantBucketsTests {
    private let clock = ManualClock()
    private let month = CalendarMonth(number: 600)

    private func admit(_ buckets: inout TenantBuckets, _ limits: TenantLimits, writes: Bool = true, in month: CalendarMonth? = nil)
        -> LimitRefusal?
    {
        buckets.admit(limits, writes: writes, month: month ?? self.month, untilNextMonth: .seconds(86_400), now: clock.now)
    }

    private func buckets(_ limits: TenantLimits) -> TenantBuckets { TenantBuckets(limits: limits, month: month, now: clock.now) }

    @Test func letsEverythingInWithoutLimits() {
        var buckets = buckets(.none)
        for _ in 0..<1000 { #expect(admit(&buckets, .none) == nil) }
        buckets.charge(records: 1_000_000, bytes: 1 << 40, stored: 1_000_000, now: clock.now)
        #expect(admit(&buckets, .none) == nil)
    }

    @Test func letsALargeRequestInAndMakesTheNextOnesPayForIt() {
        let limits = TenantLimits(eventsPerSecond: 100)
        var buckets = buckets(limits)
        #expect(admit(&buckets, limits) == nil)
        buckets.charge(records: 1000, bytes: 1, stored: 1000, now: clock.now)
        let refusal = admit(&buckets, limits)
        #expect(refusal == LimitRefusal(limit: .eventsPerSecond, quota: 100, retryAfter: 10, window: .seconds(1)))
        clock.advance(.milliseconds(8_990))
        #expect(admit(&buckets, limits)?.retryAfter == 1)
        clock.advance(.milliseconds(30))
        #expect(admit(&buckets, limits) == nil)
    }

    @Test func boundsBytesApartFromEvents() {
        let limits = TenantLimits(eventsPerSecond: 1000, bytesPerSecond: 1000)
        var buckets = buckets(limits)
        #expect(admit(&buckets, limits) == nil)
        buckets.charge(records: 1, bytes: 3000, stored: 1, now: clock.now)
        #expect(admit(&buckets, limits)?.limit == .bytesPerSecond)
        #expect(admit(&buckets, limits, writes: false) == nil, "who only reads brings no bytes")
    }

    @Test func boundsRequestsAtOnceAndCountsNoRefusedOne() {
        let limits = TenantLimits(concurrentRequests: 2)
        var buckets = buckets(limits)
        #expect(admit(&buckets, limits) == nil)
        #expect(admit(&buckets, limits, writes: false) == nil)
        #expect(admit(&buckets, limits) == LimitRefusal(limit: .concurrentRequests, quota: 2, retryAfter: 1, window: nil))
        buckets.release()
        #expect(admit(&buckets, limits) == nil)
    }

    @Test func boundsAMonthByWhatAllReplicasStored() {
        let limits = TenantLimits(eventsPerMonth: 100)
        var buckets = buckets(limits)
        #expect(admit(&buckets, limits) == nil)
        buckets.charge(records: 60, bytes: 1, stored: 60, now: clock.now)
        #expect(admit(&buckets, limits) == nil)
        let taken = buckets.takeUnsaved()
        #expect(taken.map(\.count) == [60])
        #expect(admit(&buckets, limits) == nil, "what is being told still counts")
        buckets.note(stored: 99, in: month)
        #expect(admit(&buckets, limits) == nil)
        buckets.charge(records: 1, bytes: 1, stored: 1, now: clock.now)
        let refusal = admit(&buckets, limits)
        #expect(refusal?.limit == .eventsPerMonth && refusal?.retryAfter == 3600, "an hour at most: the limit may be raised")
        #expect(admit(&buckets, limits, writes: false) == nil)
        #expect(admit(&buckets, limits, in: CalendarMonth(number: 601)) == nil, "a new month begins at none")
    }

    @Test func losesNothingThatCouldNotBeTold() {
        let limits = TenantLimits(eventsPerMonth: 10)
        var buckets = buckets(limits)
        buckets.charge(records: 10, bytes: 1, stored: 10, now: clock.now)
        let taken = buckets.takeUnsaved()
        for entry in taken { buckets.putBack(entry.month, entry.count) }
        #expect(admit(&buckets, limits) != nil)
        let again = buckets.takeUnsaved()
        #expect(again.map(\.count) == [10])
    }

    @Test func asksForTheOthersCountUnderALimitForTheMonth() {
        var limited = buckets(TenantLimits(eventsPerMonth: 10))
        let taken = limited.takeUnsaved()
        #expect(taken.map(\.count) == [0])
        var free = buckets(.none)
        let none = free.takeUnsaved()
        #expect(none.isEmpty)
    }

    @Test func takesANewLimitAtOnce() {
        var buckets = buckets(.none)
        #expect(admit(&buckets, .none) == nil)
        let limits = TenantLimits(concurrentRequests: 1)
        #expect(admit(&buckets, limits) != nil)
        #expect(admit(&buckets, .none) == nil)
    }

    @Test func sharesLimitsBetweenReplicas() {
        let limits = TenantLimits(eventsPerSecond: 10, bytesPerSecond: 3, eventsPerMonth: 10, concurrentRequests: 1, quarantineBytes: 7)
        let expected = TenantLimits(eventsPerSecond: 2, bytesPerSecond: 1, eventsPerMonth: 10, concurrentRequests: 1, quarantineBytes: 7)
        #expect(limits.shared(by: 4) == expected)
        #expect(limits.shared(by: 1) == limits)
    }
}

@Suite struct MonthClockTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0, 0), ("1969-12-31T23:59:59Z", -1, -31), ("2024-02-29T12:00:00Z", 649, 19_754),
        ("2000-03-01T00:00:00Z", 362, 11_017), ("2026-12-31T23:59:59.999999Z", 683, 20_788),
    ])
    func findsTheMonthAndItsFirstDay(text: String, number: Int, firstDay: Int) throws {
        let time = try #require(Timestamp(rfc3339: text))
        let (month, rest) = MonthClock.month(of: time)
        #expect(month.number == number)
        #expect(MonthClock.firstDay(of: month) == firstDay)
        #expect(MonthClock.month(startingAt: firstDay) == month)
        #expect(rest > .zero && rest <= .seconds(31 * 86_400))
    }

    @Test func knowsHowLongAMonthStillTakes() throws {
        let time = try #require(Timestamp(rfc3339: "2026-11-30T23:59:00Z"))
        #expect(MonthClock.month(of: time).rest == .seconds(60))
    }

    @Test func countsMonthsWithoutAGap() {
        for number in -3000...3000 {
            let month = CalendarMonth(number: number)
            let days = MonthClock.firstDay(of: CalendarMonth(number: number + 1)) - MonthClock.firstDay(of: month)
            #expect((28...31).contains(days))
            #expect(MonthClock.month(startingAt: MonthClock.firstDay(of: month)) == month)
        }
    }
}
