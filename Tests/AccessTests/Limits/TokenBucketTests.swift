import Testing

@testable import Access

@Suite struct TokenBucketTests {
    private let clock = ManualClock()

    /// What a call that changes the bucket returns, outside of the expectation.
    private func ask<T>(_ bucket: inout TokenBucket, _ body: (inout TokenBucket) -> T) -> T { body(&bucket) }

    private func taken(from bucket: inout TokenBucket, tries: Int, reserve: Double = 0) -> Int {
        var taken = 0
        for _ in 0..<tries where bucket.take(reserve: reserve, clock.now) { taken += 1 }
        return taken
    }

    @Test func givesItsBurstThenItsRate() {
        var bucket = TokenBucket(rate: 10, burst: 3, now: clock.now)
        #expect(taken(from: &bucket, tries: 5) == 3)
        clock.advance(.milliseconds(99))
        #expect(!ask(&bucket) { $0.take(clock.now) })
        clock.advance(.milliseconds(2))
        #expect(ask(&bucket) { $0.take(clock.now) })
        #expect(!ask(&bucket) { $0.take(clock.now) })
    }

    @Test func holdsNoMoreThanItsBurst() {
        var bucket = TokenBucket(rate: 10, burst: 3, now: clock.now)
        clock.advance(.seconds(3600))
        #expect(ask(&bucket) { $0.level(clock.now) } == 3)
        #expect(ask(&bucket) { $0.isFull(clock.now) })
    }

    @Test func goesIntoDebtAndPaysItOff() {
        var bucket = TokenBucket(rate: 8, burst: 8, now: clock.now)
        bucket.charge(108, clock.now)
        #expect(ask(&bucket) { $0.level(clock.now) } == -100)
        #expect(ask(&bucket) { $0.wait(clock.now) } == .milliseconds(12_625))
        clock.advance(.seconds(12))
        #expect(ask(&bucket) { $0.wait(clock.now) } == .milliseconds(625))
        clock.advance(.milliseconds(625))
        #expect(ask(&bucket) { $0.wait(clock.now) } == .zero)
    }

    @Test func keepsAReserveFromThoseWhoMayNotHaveIt() {
        var bucket = TokenBucket(rate: 1, burst: 10, now: clock.now)
        #expect(taken(from: &bucket, tries: 20, reserve: 5) == 5)
        #expect(taken(from: &bucket, tries: 20) == 5)
    }

    @Test func keepsItsDebtWhenItsRateChanges() {
        var bucket = TokenBucket(rate: 10, burst: 10, now: clock.now)
        bucket.charge(30, clock.now)
        bucket.set(rate: 100, burst: 100, clock.now)
        #expect(ask(&bucket) { $0.level(clock.now) } == -20)
        bucket.set(rate: 1, burst: 1, clock.now)
        clock.advance(.seconds(60))
        #expect(ask(&bucket) { $0.level(clock.now) } == 1)
    }

    @Test func isNotMovedByAClockThatGoesBack() {
        var bucket = TokenBucket(rate: 10, burst: 10, now: clock.now)
        bucket.charge(5, clock.now)
        #expect(ask(&bucket) { $0.level(clock.now - .seconds(100)) } == 5)
    }
}
