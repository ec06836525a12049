import Access
import Testing

@testable import EventStore

@Suite struct FreshCacheTests {
    private actor Loads {
        private(set) var count = 0
        func next() -> Int {
            count += 1
            return count
        }
    }

    private final class ManualClock: Sendable {
        private let start = ContinuousClock.now
        private let elapsed = Locked(Duration.zero)
        var now: ContinuousClock.Instant { start + elapsed.value }
        func advance(_ duration: Duration) { elapsed.value += duration }
    }

    private let clock = ManualClock()
    private let loads = Loads()

    private func cache(
        epoch: AccessEpoch? = nil,
        capacity: Int = 10,
        budget: LookupBudget? = nil,
        isWorthKeeping: @escaping @Sendable (Int) -> Bool = { _ in true }
    ) -> FreshCache<Int, Int> {
        FreshCache(
            lifetime: .seconds(1),
            longestLifetime: .seconds(600),
            epoch: epoch,
            capacity: capacity,
            budget: budget,
            isWorthKeeping: isWorthKeeping,
            now: { [clock] in clock.now },
            load: { [loads] _ in await loads.next() }
        )
    }

    @Test func believesAValueForItsLifetimeOnly() async throws {
        let cache = cache()
        #expect(try await cache.value(for: 1) == 1)
        clock.advance(.milliseconds(999))
        #expect(try await cache.value(for: 1) == 1)
        #expect(cache.cached(1) == 1)
        clock.advance(.milliseconds(1))
        #expect(cache.cached(1) == nil)
        #expect(try await cache.value(for: 1) == 2)
        #expect(try await cache.value(for: 2) == 3)
    }

    @Test func believesAValueForAsLongAsTheEpochIsKnownToBeTheSame() async throws {
        let epoch = AccessEpoch(bound: .seconds(10))
        let cache = cache(epoch: epoch)
        epoch.note(7, askedAt: clock.now)
        #expect(try await cache.value(for: 1) == 1)
        for _ in 0..<20 {
            clock.advance(.seconds(5))
            epoch.note(7, askedAt: clock.now)
            #expect(cache.cached(1) == 1)
        }
        epoch.note(8, askedAt: clock.now)
        #expect(cache.cached(1) == nil)
        #expect(try await cache.value(for: 1) == 2)
        epoch.note(3, askedAt: clock.now)
        #expect(cache.cached(1) == nil, "a restored database counts from somewhere else")
    }

    @Test func believesNothingWhenTheEpochHasNotBeenHeardOfForTooLong() async throws {
        let epoch = AccessEpoch(bound: .seconds(10))
        let cache = cache(epoch: epoch)
        epoch.note(7, askedAt: clock.now)
        _ = try await cache.value(for: 1)
        clock.advance(.milliseconds(9_999))
        #expect(cache.cached(1) == 1)
        clock.advance(.milliseconds(1))
        #expect(cache.cached(1) == nil)
        #expect(try await cache.value(for: 1) == 2, "asked again")
        clock.advance(.milliseconds(500))
        #expect(cache.cached(1) == 2, "for a second, as without an epoch")
        clock.advance(.milliseconds(500))
        #expect(cache.cached(1) == nil)
    }

    @Test func doesNotTakeAnAnswerForNewerThanItsQuestion() async throws {
        let epoch = AccessEpoch(bound: .seconds(10))
        epoch.note(7, askedAt: clock.now)
        let cache = FreshCache<Int, Int>(lifetime: .seconds(1), epoch: epoch, capacity: 10, now: { [clock] in clock.now }) { [clock] _ in
            // The change is committed and heard of while the look-up is under way; its snapshot may be the older one.
            epoch.note(8, askedAt: clock.now)
            return 1
        }
        _ = try await cache.value(for: 1)
        #expect(cache.cached(1) == nil)
    }

    @Test func forgetsALateAnswerToAnEarlierPoll() {
        let epoch = AccessEpoch(bound: .seconds(10))
        let start = clock.now
        epoch.note(8, askedAt: start + .seconds(1))
        epoch.note(7, askedAt: start)
        #expect(epoch.current(start + .seconds(1)) == 8)
    }

    @Test func remembersNoFailure() async throws {
        struct Down: Error {}
        let cache = FreshCache<Int, Int>(lifetime: .seconds(1), capacity: 10) { [loads] _ in
            let count = await loads.next()
            if count == 1 { throw Down() }
            return count
        }
        await #expect(throws: Down.self) { _ = try await cache.value(for: 1) }
        #expect(try await cache.value(for: 1) == 2)
    }

    @Test func loadsOnceForManyAtOnce() async throws {
        let (gate, open) = AsyncStream<Void>.makeStream()
        let cache = FreshCache<Int, Int>(lifetime: .seconds(60), capacity: 10) { [loads] _ in
            for await _ in gate { break }
            return await loads.next()
        }
        let values = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<50 { group.addTask { try await cache.value(for: 1) } }
            open.finish()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(values == Array(repeating: 1, count: 50))
        #expect(await loads.count == 1)
    }

    /// What was made after a load began may be missing from it, however short ago that was.
    @Test func asksAnewForTheValueOfNow() async throws {
        let cache = cache()
        #expect(try await cache.value(for: 1) == 1)
        #expect(try await cache.value(for: 1, loadedSince: clock.now) == 1, "loaded at that moment")
        clock.advance(.microseconds(1))
        #expect(try await cache.value(for: 1, loadedSince: clock.now) == 2)
        #expect(cache.cached(1) == 2)
    }

    @Test func doesNotTakeALoadThatBeganEarlierForTheValueOfNow() async throws {
        let (gate, open) = AsyncStream<Void>.makeStream()
        let (begun, begin) = AsyncStream<Void>.makeStream()
        let cache = FreshCache<Int, Int>(lifetime: .seconds(60), capacity: 10) { [loads] _ in
            let count = await loads.next()
            begin.yield()
            if count == 1 { for await _ in gate { break } }
            return count
        }
        async let earlier = cache.value(for: 1)
        for await _ in begun { break }
        let values = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<50 {
                let asking = Task.immediate { try await cache.value(for: 1, loadedSince: .now) }
                group.addTask { try await asking.value }
            }
            open.finish()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(try await earlier == 1)
        #expect(values == Array(repeating: 2, count: 50), "one load for all of them")
        #expect(await loads.count == 2)
    }

    /// Each would otherwise wait for the failures of all before it.
    @Test func tellsEverybodyWhoWaitsOfOneFailure() async throws {
        struct Down: Error {}
        let (gate, open) = AsyncStream<Void>.makeStream()
        let cache = FreshCache<Int, Int>(lifetime: .seconds(60), capacity: 10) { [loads] _ in
            let count = await loads.next()
            if count == 1 { return count }
            for await _ in gate { break }
            throw Down()
        }
        _ = try await cache.value(for: 1)
        let asking = (0..<50).map { _ in Task.immediate { try await cache.value(for: 1, loadedSince: .now) } }
        open.finish()
        for task in asking {
            guard case .failure = await task.result else {
                Issue.record("a value from a load that failed")
                continue
            }
        }
        // Begun a tenth of a second after the first; whoever asked after that has its failure too.
        #expect(await loads.count == 2)
    }

    @Test func neverLetsWhatIsNotWorthKeepingPushOutWhatIs() async throws {
        let cache = cache(capacity: 10) { $0 <= 5 }
        for key in 0..<5 { _ = try await cache.value(for: key) }
        for key in 100..<1000 { _ = try await cache.value(for: key) }
        for key in 0..<5 { #expect(cache.cached(key) != nil) }
        #expect((100..<1000).filter { cache.cached($0) != nil }.count <= 10)
    }

    @Test func asksAgainForWhatItKnewWhateverTheBudget() async throws {
        let epoch = AccessEpoch(bound: .seconds(10))
        let budget = LookupBudget(LookupBudget.Bounds(perSecond: 1, burst: 2, atOnce: 10), now: clock.now)
        let cache = cache(epoch: epoch, budget: budget) { $0 == 1 || $0 > 2 }
        epoch.note(1, askedAt: clock.now)
        #expect(try await cache.value(for: 1) == 1)
        #expect(try await cache.value(for: 2) == 2)
        await #expect(throws: LookupBudget.Exhausted.self) { _ = try await cache.value(for: 3) }
        epoch.note(2, askedAt: clock.now)
        #expect(try await cache.value(for: 1) == 3, "known before, so it costs no budget")
        await #expect(throws: LookupBudget.Exhausted.self, "not known before") { _ = try await cache.value(for: 2) }
    }
}
