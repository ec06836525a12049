import EventCore
import Testing

@testable import EventStore

@Suite struct LaneQueueTests {
    let start = ContinuousClock.now
    let alice = TenantID(rawValue: 1)
    let bob = TenantID(rawValue: 2)

    private func records(_ count: Int, bytes: Int = 0) -> [WriteRecord] {
        let record = QuarantinedRecord(
            tenant: alice,
            source: nil,
            versionNumber: nil,
            receivedAt: .epoch,
            reason: QuarantineReason(code: "c", pointer: nil, detail: ""),
            body: Array(repeating: 0, count: max(0, bytes - 128))
        )
        return Array(repeating: .quarantine(record), count: count)
    }

    @discardableResult
    func submit(
        _ count: Int,
        bytes: Int = 0,
        _ tenant: TenantID,
        to queue: inout LaneQueue,
        at now: Duration = .zero,
        deadline: Duration = .seconds(10)
    ) throws -> [LaneQueue.Action] {
        let records = records(count, bytes: bytes)
        let size = records.reduce(0) { $0 + $1.size }
        _ = try queue.add(records, bytes: size, tenant: tenant, deadline: start + deadline, now: start + now).get()
        return queue.serve(start + now)
    }

    func ready(_ lane: Int, _ queue: inout LaneQueue, at now: Duration = .zero) -> [LaneQueue.Action] {
        _ = queue.wrote(lane, now: start + now)
        return queue.ready(lane, now: start + now)
    }

    /// The batches that a lane is told to write.
    func batches(_ actions: [LaneQueue.Action]) -> [LaneQueue.Batch] {
        actions.compactMap { action in
            guard case .write(_, let batch) = action else { return nil }
            return batch
        }
    }

    /// What a lane is told to write, as (submission, records).
    func written(_ actions: [LaneQueue.Action]) -> [[Int]] {
        batches(actions).flatMap { $0.slices.map { [$0.submission, $0.records.count] } }
    }

    private func stopped(_ actions: [LaneQueue.Action]) -> [Int] {
        actions.compactMap { action in
            guard case .stop(let lane) = action else { return nil }
            return lane
        }
    }

    private func failed(_ actions: [LaneQueue.Action]) -> [Int] {
        actions.compactMap { action in
            guard case .fail(let id, _) = action else { return nil }
            return id
        }
    }

    private func succeeded(_ actions: [LaneQueue.Action]) -> [Int] {
        actions.compactMap { action in
            guard case .succeed(let id, _) = action else { return nil }
            return id
        }
    }

    private func refusal(_ body: () throws -> [LaneQueue.Action]) -> EngineError.Code? {
        do {
            _ = try body()
            return nil
        } catch {
            return (error as? EngineError)?.code
        }
    }

    func queue(_ change: (inout LaneQueue.Settings) -> Void = { _ in }) -> LaneQueue {
        var settings = LaneQueue.Settings()
        change(&settings)
        return LaneQueue(settings)
    }

    @Test func givesAnIdleLaneWhatComesAtOnce() throws {
        var queue = queue()
        #expect(ready(0, &queue).isEmpty)
        #expect(written(try submit(1, alice, to: &queue)) == [[0, 1]])
    }

    @Test func batchesWhatWaitedWhileTheLaneWasBusy() throws {
        var queue = queue()
        for _ in 0..<5 { try submit(1, alice, to: &queue) }
        #expect(written(ready(0, &queue)) == (0..<5).map { [$0, 1] })
    }

    @Test func gathersWhileASmallBatchIsUnderWay() throws {
        var queue = queue { $0.worthALane = 4 }
        for lane in 0..<3 { _ = ready(lane, &queue) }
        #expect(written(try submit(1, alice, to: &queue)) == [[0, 1]])
        #expect(written(try submit(2, alice, to: &queue)).isEmpty)
        #expect(written(try submit(1, bob, to: &queue)).isEmpty)
        // What waits goes together when the batch is done.
        #expect(written(ready(2, &queue)) == [[1, 2], [2, 1]])
    }

    @Test func opensAnotherLaneForWhatIsWorthOne() throws {
        var queue = queue { $0.worthALane = 4 }
        for lane in 0..<3 { _ = ready(lane, &queue) }
        try submit(1, alice, to: &queue)
        #expect(written(try submit(3, alice, to: &queue)).isEmpty)
        #expect(written(try submit(1, alice, to: &queue)) == [[1, 3], [2, 1]])
        #expect(written(try submit(1, alice, to: &queue)).isEmpty)
    }

    @Test func gathersNoLongerWhenTheBatchUnderWayTakesLong() throws {
        var queue = queue()
        for lane in 0..<3 { _ = ready(lane, &queue) }
        try submit(1, alice, to: &queue)
        try submit(1, alice, to: &queue)
        #expect(written(queue.expire(now: start + .milliseconds(4))).isEmpty)
        #expect(written(queue.expire(now: start + .milliseconds(5))) == [[1, 1]])
    }

    @Test(arguments: [(100, 0), (1, 65_536)]) func gathersNothingBesideALargeBatch(records: Int, bytes: Int) throws {
        var queue = queue()
        for lane in 0..<3 { _ = ready(lane, &queue) }
        #expect(written(try submit(records, bytes: bytes, alice, to: &queue)) == [[0, records]])
        #expect(written(try submit(1, bob, to: &queue)) == [[1, 1]])
    }

    @Test func doesNotGatherALargeRecord() throws {
        var queue = queue()
        for lane in 0..<3 { _ = ready(lane, &queue) }
        try submit(1, alice, to: &queue)
        #expect(written(try submit(1, bytes: 65_536, alice, to: &queue)) == [[1, 1]])
    }

    @Test func gathersNothingWhereSmallBatchesTakeLong() throws {
        var queue = queue()
        for lane in 0..<3 { _ = ready(lane, &queue) }
        try submit(1, alice, to: &queue)
        _ = ready(2, &queue, at: .milliseconds(9))
        try submit(1, alice, to: &queue, at: .milliseconds(10))
        #expect(written(try submit(1, alice, to: &queue, at: .milliseconds(11))) == [[2, 1]])
        // Both are quick this time.
        _ = ready(2, &queue, at: .milliseconds(12))
        _ = ready(1, &queue, at: .milliseconds(12))
        try submit(1, alice, to: &queue, at: .milliseconds(20))
        #expect(written(try submit(1, alice, to: &queue, at: .milliseconds(21))).isEmpty)
    }

    @Test(arguments: [
        // Submissions, records of each, bytes of each record, lanes, how long it took, how long the lane rests (ms).
        (2, 1, 0, 3, 1.0, 0.8),
        (3, 5, 0, 3, 1.0, 0.8),
        // Nobody comes along with one sender; nobody has to be waited for when there are many, or much, or when a transaction takes
        // long by itself; and what is worth a lane of its own could not have one.
        (1, 1, 0, 3, 1.0, 0.0),
        (1, 5, 0, 3, 1.0, 0.0),
        (16, 1, 0, 3, 1.0, 0.0),
        (2, 1, 33 << 10, 3, 1.0, 0.0),
        (2, 1, 0, 3, 6.0, 0.0),
        (2, 1, 0, 2, 1.0, 0.0),
        (2, 1, 0, 1, 1.0, 0.0),
    ])
    func restsAfterASmallBatchOfSeveral(_ row: (Int, Int, Int, Int, Double, Double)) throws {
        let (submissions, records, bytes, lanes, took, rests) = row
        var queue = queue { $0.lanes = lanes }
        for _ in 0..<submissions { try submit(records, bytes: bytes, alice, to: &queue) }
        #expect(batches(ready(0, &queue)).map(\.load.records) == [submissions * records])
        if lanes > 1 { #expect(ready(1, &queue).isEmpty) }
        #expect(queue.wrote(0, now: start + .milliseconds(took)) == .milliseconds(rests))
    }

    /// Each of three lanes is told to stop, whichever took what was left.
    @Test func stopsAllItsLanesWhileItGathers() throws {
        var queue = queue()
        for lane in 0..<3 { _ = ready(lane, &queue) }
        try submit(1, alice, to: &queue)
        try submit(1, alice, to: &queue)
        let stopping = queue.stop(now: start + .milliseconds(1))
        #expect(written(stopping) == [[1, 1]])
        #expect(stopped(stopping) == [0])
        #expect(stopped(ready(1, &queue)) == [1])
        #expect(stopped(ready(2, &queue)) == [2])
    }

    @Test func cutsABatchAtItsRecords() throws {
        var queue = queue()
        for _ in 0..<3 { try submit(400, alice, to: &queue) }
        #expect(written(ready(0, &queue)) == [[0, 400], [1, 400], [2, 200]])
        #expect(written(ready(0, &queue)) == [[2, 200]])
        #expect(ready(0, &queue).isEmpty)
    }

    @Test func cutsABatchAtItsBytesButTakesOneLargeRecord() throws {
        var queue = queue { $0.batchBytes = 10_000 }
        try submit(5, bytes: 4_000, alice, to: &queue)
        try submit(1, bytes: 50_000, alice, to: &queue)
        #expect(written(ready(0, &queue)) == [[0, 2]])
        #expect(written(ready(0, &queue)) == [[0, 2]])
        #expect(written(ready(0, &queue)) == [[0, 1]])
        #expect(written(ready(0, &queue)) == [[1, 1]])
    }

    @Test func refusesWhatDoesNotFit() throws {
        var queue = queue {
            $0.maximumRecords = 100
            $0.maximumBytes = 100_000
        }
        try submit(50, alice, to: &queue)
        #expect(refusal { try submit(1, alice, to: &queue) } == .queueFull)
        try submit(40, bob, to: &queue)
        #expect(refusal { try submit(11, bob, to: &queue) } == .queueFull)
        #expect(refusal { try submit(1, bytes: 90_000, bob, to: &queue) } == .queueFull)
        // A first submission is taken while there is any room, or a large one could never be.
        try submit(60, TenantID(rawValue: 3), to: &queue)
        #expect(refusal { try submit(1, TenantID(rawValue: 4), to: &queue) } == .queueFull)
    }

    @Test func hasRoomAgainWhenASubmissionIsSettled() throws {
        var queue = queue { $0.maximumRecords = 4 }
        try submit(2, alice, to: &queue)
        _ = ready(0, &queue)
        #expect(refusal { try submit(1, alice, to: &queue) } == .queueFull)
        let first = LaneQueue.Settled(submission: 0, record: 0, outcome: .accepted)
        #expect(succeeded(queue.settle([first])).isEmpty)
        let actions = queue.settle([LaneQueue.Settled(submission: 0, record: 1, outcome: .duplicate)])
        guard case .succeed(0, let outcomes) = actions.first else {
            Issue.record("no outcome")
            return
        }
        #expect(outcomes == [.accepted, .duplicate])
        #expect(queue.load == LaneQueue.Load() && queue.isEmpty)
        try submit(2, alice, to: &queue)
    }

    @Test func dropsWhatIsTooLateWhenALaneComes() throws {
        var queue = queue()
        try submit(1, alice, to: &queue, deadline: .seconds(1))
        try submit(1, alice, to: &queue, deadline: .seconds(3))
        let actions = ready(0, &queue, at: .seconds(2))
        #expect(failed(actions) == [0])
        #expect(written(actions) == [[1, 1]])
        #expect(refusal { try submit(1, alice, to: &queue, at: .seconds(2), deadline: .seconds(1)) } == .deadlinePassed)
    }

    @Test func expiresWhatWaitsAndWhatIsBeingWritten() throws {
        var queue = queue()
        try submit(1, alice, to: &queue, deadline: .seconds(1))
        #expect(written(ready(0, &queue)) == [[0, 1]])
        try submit(1, alice, to: &queue, deadline: .seconds(2))
        #expect(failed(queue.expire(now: start + .seconds(1))) == [0])
        #expect(failed(queue.expire(now: start + .seconds(2))) == [1])
        #expect(queue.isEmpty)
        // What the lane says later concerns nobody.
        #expect(queue.settle([LaneQueue.Settled(submission: 0, record: 0, outcome: .accepted)]).isEmpty)
        #expect(ready(0, &queue).isEmpty)
        #expect(written(try submit(1, alice, to: &queue, at: .seconds(2))) == [[2, 1]])
    }

    @Test func failsASubmissionOnceAndLeavesTheRestOfItBehind() throws {
        var queue = queue { $0.batchRecords = 10 }
        try submit(15, alice, to: &queue)
        _ = ready(0, &queue)
        #expect(failed(queue.fail([0], .deadlinePassed)) == [0])
        #expect(queue.fail([0], .deadlinePassed).isEmpty)
        #expect(ready(0, &queue).isEmpty)
        #expect(queue.load.records == 0)
    }

    @Test func stopsItsLanesWhenNothingIsLeft() throws {
        var queue = queue { $0.worthALane = 1 }
        _ = ready(0, &queue)
        try submit(1, alice, to: &queue)
        try submit(1, alice, to: &queue)
        #expect(written(ready(1, &queue)) == [[1, 1]])
        try submit(1, alice, to: &queue)
        #expect(queue.stop(now: start).isEmpty)
        #expect(refusal { try submit(1, alice, to: &queue) } == .stopping)
        #expect(!queue.isDrained)
        #expect(written(ready(0, &queue)) == [[2, 1]])
        #expect(queue.isDrained)
        guard case .stop(1) = ready(1, &queue).first else {
            Issue.record("lane 1 goes on")
            return
        }
    }

    /// Random histories: every record is taken once at most, every submission ends once, and nothing is left behind.
    @Test(arguments: 0..<50) func losesNothing(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        var queue = queue {
            $0.maximumRecords = 300
            $0.batchRecords = 20
            $0.sharedBatchRecords = 7
            $0.pacedBatchRecords = 3
        }
        var open: Set<Int> = []
        var taken: [Int: Int] = [:]
        var lanes: [Int: LaneQueue.Batch] = [:]
        var stopped: Set<Int> = []
        var now = Duration.zero
        func perform(_ actions: [LaneQueue.Action]) {
            for action in actions {
                switch action {
                case .write(let lane, let batch):
                    #expect(lanes[lane] == nil)
                    lanes[lane] = batch
                    for slice in batch.slices { taken[slice.submission, default: 0] += slice.records.count }
                case .succeed(let id, _), .fail(let id, _): #expect(open.remove(id) != nil)
                case .stop(let lane): #expect(lanes[lane] == nil && stopped.insert(lane).inserted)
                }
            }
            let here = queue.submissions.values.map { LaneQueue.Load($0.records[...]) }
            #expect(queue.load.records == here.reduce(0) { $0 + $1.records } && queue.load.bytes == here.reduce(0) { $0 + $1.bytes })
            #expect(queue.load.records == queue.tenants.values.reduce(0) { $0 + $1.load.records })
            let left = queue.submissions.values.map { LaneQueue.Load($0.records[$0.taken...]) }
            #expect(queue.waiting.records == left.reduce(0) { $0 + $1.records })
            #expect(queue.waiting.bytes == left.reduce(0) { $0 + $1.bytes })
        }
        for lane in 0..<3 { perform(ready(lane, &queue)) }
        for _ in 0..<400 {
            now += .milliseconds(Int.random(in: 0...20, using: &random))
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                let id = queue.nextSubmission
                open.insert(id)
                let count = Int.random(in: 1...30, using: &random)
                let tenant = TenantID(rawValue: Int32.random(in: 1...4, using: &random))
                do {
                    perform(try submit(count, tenant, to: &queue, at: now, deadline: now + .milliseconds(200)))
                } catch {
                    open.remove(id)
                }
            case 2:
                guard let (lane, batch) = lanes.randomElement(using: &random) else { continue }
                lanes[lane] = nil
                if Bool.random(using: &random) {
                    perform(queue.fail(batch.slices.map(\.submission), .deadlinePassed))
                } else {
                    perform(
                        queue.settle(
                            batch.slices.flatMap { slice in
                                slice.records.indices.map { .init(submission: slice.submission, record: $0, outcome: .accepted) }
                            }
                        )
                    )
                }
                perform(ready(lane, &queue, at: now))
            default: perform(queue.expire(now: start + now))
            }
        }
        perform(queue.stop(now: start + now))
        while let (lane, batch) = lanes.first {
            lanes[lane] = nil
            perform(queue.fail(batch.slices.map(\.submission), .deadlinePassed))
            perform(ready(lane, &queue, at: now))
        }
        #expect(open.isEmpty)
        #expect(stopped == [0, 1, 2])
        #expect(queue.isEmpty && queue.load == LaneQueue.Load() && queue.waiting == LaneQueue.Load())
        #expect(taken.values.allSatisfy { $0 <= 30 })
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
