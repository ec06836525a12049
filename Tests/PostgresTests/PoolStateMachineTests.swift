@testable import Postgres
import Testing

@Suite struct PoolStateMachineTests {
    typealias Action = PoolStateMachine.Action

    /// The machine and a clock that stands still unless it is told to move.
    private struct Bench {
        var machine: PoolStateMachine
        var now = ContinuousClock.now

        init(maximum: Int = 2) {
            machine = PoolStateMachine(
                .init(maximumConnections: maximum, idleCheckAfter: .seconds(30), maximumLifetime: .seconds(1_000))
            )
        }

        mutating func checkout(_ waiter: Int) -> [Action] { machine.checkout(waiter, now: now) }
        mutating func connected(_ id: Int, jitter: Double = 0) -> [Action] { machine.connected(id, now: now, jitter: jitter) }
        mutating func failed(_ id: Int) -> [Action] { machine.connectFailed(id, now: now, jitter: 0) }
        mutating func returned(_ id: Int, reusable: Bool = true) -> [Action] {
            machine.returned(id, isReusable: reusable, now: now)
        }
        mutating func closed(_ id: Int) -> [Action] { machine.closed(id, now: now) }
    }

    @Test func connectsOnDemandUpToTheMaximum() {
        var bench = Bench()
        #expect(bench.checkout(1) == [.connect(1)])
        #expect(bench.checkout(2) == [.connect(2)])
        #expect(bench.checkout(3) == [])
        #expect(bench.machine.statistics == PoolStatistics(open: 0, idle: 0, leased: 0, waiting: 3, connecting: 2))
        #expect(bench.connected(2) == [.hand(2, to: 1)])
        #expect(bench.connected(1) == [.hand(1, to: 2)])
        #expect(bench.returned(2) == [.hand(2, to: 3)])
        #expect(bench.returned(1) == [])
        #expect(bench.machine.statistics == PoolStatistics(open: 2, idle: 1, leased: 1, waiting: 0, connecting: 0))
    }

    @Test func letsOnlySoManyWait() {
        var bench = Bench(maximum: 1)
        for waiter in 1...1_000 { #expect(!bench.checkout(waiter).contains(.fail(waiter))) }
        #expect(bench.checkout(1_001) == [.fail(1_001)])
    }

    @Test func handsOutTheOneUsedLast() {
        var bench = Bench()
        _ = (bench.checkout(1), bench.checkout(2), bench.connected(1), bench.connected(2))
        _ = (bench.returned(2), bench.returned(1))
        #expect(bench.checkout(3) == [.hand(1, to: 3)])
    }

    @Test func aWaiterThatLeftIsSkipped() {
        var bench = Bench(maximum: 1)
        _ = (bench.checkout(1), bench.checkout(2), bench.checkout(3))
        let (left, again) = (bench.machine.abandon(2), bench.machine.abandon(2))
        #expect(left && !again)
        #expect(bench.connected(1) == [.hand(1, to: 1)])
        #expect(bench.returned(1) == [.hand(1, to: 3)])
    }

    @Test func aBrokenConnectionCountsUntilItIsGone() {
        var bench = Bench(maximum: 1)
        _ = (bench.checkout(1), bench.connected(1), bench.checkout(2))
        #expect(bench.returned(1, reusable: false) == [.close(1)])
        #expect(bench.closed(1) == [.connect(2)])
    }

    @Test func aDeadConnectionGivesItsWaiterTheFirstPlaceBack() {
        var bench = Bench(maximum: 2)
        _ = (bench.checkout(1), bench.checkout(2), bench.connected(1), bench.connected(2), bench.returned(1), bench.returned(2))
        #expect(bench.checkout(3) == [.hand(2, to: 3)])
        #expect(bench.machine.foundDead(2, for: 3, now: bench.now) == [.close(2), .hand(1, to: 3)])
        #expect(bench.checkout(4) == [])
        #expect(bench.machine.foundDead(1, for: 3, now: bench.now) == [.close(1)])
        #expect(bench.closed(2) == [.connect(3)])
        #expect(bench.connected(3) == [.hand(3, to: 3)])
    }

    @Test func probesAConnectionThatRestedForLong() {
        var bench = Bench()
        _ = (bench.checkout(1), bench.connected(1), bench.returned(1))
        bench.now += .seconds(29)
        #expect(bench.checkout(2) == [.hand(1, to: 2)])
        _ = bench.returned(1)
        bench.now += .seconds(30)
        #expect(bench.checkout(3) == [.probe(1)])
        #expect(bench.machine.probed(1, isAlive: true, now: bench.now) == [.hand(1, to: 3)])
        _ = bench.returned(1)
        bench.now += .seconds(30)
        #expect(bench.checkout(4) == [.probe(1)])
        #expect(bench.machine.probed(1, isAlive: false, now: bench.now) == [.close(1), .connect(2)])
    }

    @Test func replacesWhatIsTooOld() {
        var bench = Bench(maximum: 1)
        _ = (bench.checkout(1), bench.connected(1, jitter: -1))
        bench.now += .seconds(899)
        #expect(bench.returned(1) == [])
        bench.now += .seconds(1)
        #expect(bench.checkout(2) == [.close(1)])
        #expect(bench.closed(1) == [.connect(2)])
        #expect(bench.connected(2, jitter: 1) == [.hand(2, to: 2)])
        bench.now += .seconds(1_099)
        #expect(bench.returned(2) == [])
        bench.now += .seconds(2)
        #expect(bench.checkout(3) == [.close(2)])
    }

    @Test func pausesLongerAfterEachFailureUpToASecond() {
        var bench = Bench(maximum: 4)
        _ = bench.checkout(1)
        var id = 1
        for milliseconds in [50, 100, 200, 400, 800, 1_000, 1_000] {
            let due = bench.now + .milliseconds(milliseconds)
            #expect(bench.failed(id) == [.retry(at: due)])
            // Nobody's coming makes it try sooner, or more than once.
            #expect(bench.checkout(100 + id) == [])
            bench.now = due
            id += 1
            #expect(bench.machine.retryDue(now: bench.now) == [.connect(id)])
        }
        // The database is back: everybody is served, with as many connections as that takes.
        #expect(bench.connected(id) == [.hand(id, to: 1), .connect(id + 1), .connect(id + 2), .connect(id + 3)])
    }

    @Test func stopsTryingWhenNobodyWaits() {
        var bench = Bench()
        _ = bench.checkout(1)
        _ = bench.machine.abandon(1)
        #expect(bench.failed(1) == [])
        #expect(bench.checkout(2) == [.retry(at: bench.now + .milliseconds(50))])
        bench.now += .milliseconds(50)
        _ = bench.machine.abandon(2)
        #expect(bench.machine.retryDue(now: bench.now) == [])
        #expect(bench.checkout(3) == [.connect(2)])
    }

    @Test func closesOnceEverythingIsBack() {
        var bench = Bench(maximum: 3)
        _ = (bench.checkout(1), bench.checkout(2), bench.checkout(3), bench.connected(1), bench.connected(2), bench.returned(1))
        // 3 was handed connection 1; 2 has connection 2; connection 3 is still connecting.
        _ = bench.checkout(4)
        #expect(bench.machine.shutDown() == [.fail(4)])
        #expect(bench.machine.shutDown() == [])
        #expect(bench.checkout(5) == [.fail(5)])
        #expect(bench.connected(3) == [.close(3)])
        #expect(bench.closed(3) == [])
        #expect(bench.returned(1) == [.close(1)])
        #expect(bench.closed(1) == [])
        #expect(bench.returned(2) == [.close(2)])
        #expect(bench.closed(2) == [.drained])
    }

    @Test func closesAnEmptyPoolAtOnce() {
        var bench = Bench()
        #expect(bench.machine.shutDown() == [.drained])
    }

    /// Any order of events: never above the maximum, nobody served twice or forgotten.
    @Test(arguments: 0..<50)
    func keepsItsPromisesUnderRandomEvents(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        var model = PoolModel(maximum: 3)
        for _ in 0..<400 { model.step(&random) }
        model.settle()
        #expect(model.violations == [])
        #expect(model.unserved == 0)
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
