import EventCore
import Testing

@testable import EventStore

/// Several tenants: whose turn it is, how much of whom, and how a flood is kept from those who are none.
extension LaneQueueTests {
    @Test func takesASingleRecordWithinOneBatchOfAFlood() throws {
        var queue = queue()
        for _ in 0..<10 { try submit(1_000, alice, to: &queue) }
        #expect(written(ready(0, &queue)) == [[0, 1_000]])
        let single = queue.nextSubmission
        try submit(1, bob, to: &queue)
        // The very next batch of any lane is bob's record, and nothing else.
        #expect(written(ready(1, &queue)) == [[single, 1]])
    }

    @Test func neverLetsOneTenantHaveAllLanes() throws {
        var queue = queue()
        for _ in 0..<10 { try submit(1_000, alice, to: &queue) }
        #expect(!ready(0, &queue).isEmpty)
        #expect(!ready(1, &queue).isEmpty)
        #expect(ready(2, &queue).isEmpty)
        #expect(written(try submit(1, bob, to: &queue)) == [[10, 1]])
        // Lanes 2 and 0 are kept free of the flood while bob is about; the one that it has gets small batches.
        #expect(ready(2, &queue).isEmpty)
        #expect(ready(0, &queue).isEmpty)
        #expect(written(ready(1, &queue)) == [[2, 25]])
        #expect(written(try submit(1, bob, to: &queue)) == [[11, 1]])
    }

    @Test func givesAFloodAllItCanTakeOnceItIsAlone() throws {
        var queue = queue()
        try submit(1, bob, to: &queue)
        for _ in 0..<5 { try submit(1_000, alice, to: &queue) }
        #expect(written(ready(0, &queue)) == [[0, 1]])
        #expect(written(ready(1, &queue, at: .milliseconds(900))) == [[1, 25]])
        #expect(ready(0, &queue, at: .milliseconds(999)).isEmpty)
        #expect(written(ready(1, &queue, at: .seconds(1))) == [[1, 975], [2, 25], [2, 975], [3, 25]])
    }

    @Test func pacesFloodsOnlyWhileSomebodyIsAboutWhoIsNone() throws {
        var queue = queue()
        try submit(1_000, alice, to: &queue)
        try submit(1_000, bob, to: &queue)
        let both = try #require(batches(ready(0, &queue)).first)
        #expect(both.load.records == 100 && !both.isPaced)
        try submit(1, TenantID(rawValue: 3), to: &queue, at: .seconds(2))
        let single = try #require(batches(ready(1, &queue, at: .seconds(2))).first)
        #expect(single.load.records == 1 && !single.isPaced)
        let paced = try #require(batches(ready(0, &queue, at: .seconds(2))).first)
        #expect(paced.load.records == 25 && paced.isPaced && paced.tenants == [alice, bob])
        // The floods bring more, the third tenant does not.
        try submit(1_000, alice, to: &queue, at: .seconds(3))
        let after = try #require(batches(ready(0, &queue, at: .seconds(3))).first)
        #expect(after.load.records == 100 && !after.isPaced)
    }

    @Test func letsAPacedBatchGrowWhileItTakesLessThanTwoSmallOnes() throws {
        var queue = queue()
        try submit(1, bob, to: &queue)
        #expect(batches(ready(0, &queue)).map(\.load.records) == [1])
        for _ in 0..<5 { try submit(1_000, alice, to: &queue) }
        var sizes = batches(ready(1, &queue)).map(\.load.records)
        var now = Duration.zero
        for took in [15, 15, 15, 40, 40, 40] {
            // Bob's take 10 ms or 15, on lane 0.
            try submit(1, bob, to: &queue, at: now)
            #expect(batches(ready(0, &queue, at: now + .milliseconds(10))).map(\.load.records) == [1])
            if took > 20 {
                try submit(1, bob, to: &queue, at: now + .milliseconds(20))
                #expect(batches(ready(0, &queue, at: now + .milliseconds(20))).map(\.load.records) == [1])
            }
            now += .milliseconds(took)
            sizes += batches(ready(1, &queue, at: now)).map(\.load.records)
        }
        #expect(sizes == [25, 50, 100, 100, 50, 25, 25])
    }

    @Test func restsForAPartOfWhatAPacedBatchTookButOnlyBesideAFreeLane() throws {
        var queue = queue()
        try submit(1, bob, to: &queue)
        #expect(batches(ready(0, &queue)).count == 1)
        try submit(1_000, alice, to: &queue)
        #expect(batches(ready(1, &queue)).first?.isPaced == true)
        #expect(queue.wrote(1, now: start + .milliseconds(2)) == .zero)
        #expect(ready(2, &queue).isEmpty)
        #expect(queue.wrote(1, now: start + .milliseconds(2)) == .microseconds(500))
        #expect(queue.wrote(1, now: start + .seconds(1)) == .milliseconds(5))
        _ = queue.stop(now: start)
        #expect(queue.wrote(1, now: start + .seconds(1)) == .zero)
    }

    @Test func gathersNothingBesideAPacedBatch() throws {
        var queue = queue()
        try submit(1, bob, to: &queue)
        try submit(110, alice, to: &queue)
        #expect(batches(ready(0, &queue)).map(\.load.records) == [1])
        #expect(batches(ready(1, &queue)).map(\.load.records) == [25])
        #expect(ready(0, &queue).isEmpty)
        try submit(1, bob, to: &queue, at: .milliseconds(1))
        // Only a few records wait, and a paced batch under way is a small one: bob's goes at once all the same.
        #expect(queue.writing.count == 2)
    }

    @Test func takesTheEndOfALongBodyForNoSmallSender() throws {
        var queue = queue()
        try submit(1_000, bob, to: &queue)
        try submit(1_000, alice, to: &queue)
        #expect(batches(ready(0, &queue)).map(\.load.records) == [100])
        let all = queue.submissions.keys.sorted()
        _ = queue.fail(all, .deadlinePassed)
        // What is left of alice's body, and bytes that are no small sender's.
        try submit(50, alice, to: &queue, at: .milliseconds(500))
        try submit(3, bytes: 30 << 10, TenantID(rawValue: 3), to: &queue, at: .milliseconds(500))
        #expect(queue.lastSmall == nil)
        // A second later both are forgotten to have been floods.
        _ = queue.fail(queue.submissions.keys.sorted(), .deadlinePassed)
        try submit(50, alice, to: &queue, at: .seconds(1))
        #expect(queue.lastSmall == start + .seconds(1))
    }

    @Test func boundsAPacedBatchsBytes() throws {
        var queue = queue()
        for _ in 0..<2 { try submit(200, bytes: 30 << 10, alice, to: &queue) }
        try submit(1, bob, to: &queue)
        let paced = try #require(batches(ready(0, &queue)).first)
        #expect(paced.load.records == 2 && paced.isPaced)
    }

    @Test func letsTheOnlyLaneTakeFromEveryone() throws {
        var queue = queue { $0.lanes = 1 }
        try submit(1, alice, to: &queue)
        #expect(written(ready(0, &queue)) == [[0, 1]])
        try submit(1, alice, to: &queue)
        #expect(written(ready(0, &queue)) == [[1, 1]])
    }

    @Test func sharesABatchEvenly() throws {
        var queue = queue()
        let tenants = (1...5).map { TenantID(rawValue: $0) }
        for tenant in tenants { try submit(1_000, tenant, to: &queue) }
        #expect(written(ready(0, &queue)) == (0..<5).map { [$0, 20] })
        // What one does not need is the others'.
        var uneven = self.queue()
        try submit(10, alice, to: &uneven)
        try submit(60, bob, to: &uneven)
        try submit(70, tenants[2], to: &uneven)
        #expect(written(ready(0, &uneven)).reduce(0) { $0 + $1[1] } == 100)
    }

    @Test func givesEveryoneATurnWhenMoreWaitThanFit() throws {
        var queue = queue { $0.sharedBatchRecords = 2 }
        for tenant in 1...5 { for _ in 0..<2 { try submit(1, TenantID(rawValue: Int32(tenant)), to: &queue) } }
        var order: [[Int]] = []
        for _ in 0..<5 { order += written(ready(0, &queue)) }
        // Submission 2 × (tenant - 1) is a tenant's first.
        #expect(order.map { $0[0] } == [0, 2, 4, 6, 8, 1, 3, 5, 7, 9])
    }
}
