import EventCore
import Glibc
import Postgres

/// One writer: a connection, and the batch it is committing. Lives in one task, on the connection's thread.
///
/// Everything it takes gets an outcome or an error: outcomes only after COMMIT's tag.
final class Lane {
    let number: LaneQueue.LaneID
    let lanes: Lanes
    let months: KnownMonths
    let counters: LaneCounters
    private let configuration: ConnectionConfiguration
    private let executor: ThreadExecutor
    private var connection: Connection?

    init(
        _ number: LaneQueue.LaneID,
        of lanes: Lanes,
        _ configuration: ConnectionConfiguration,
        on executor: ThreadExecutor,
        _ months: KnownMonths,
        _ counters: LaneCounters
    ) {
        self.number = number
        self.lanes = lanes
        self.configuration = configuration
        self.executor = executor
        self.months = months
        self.counters = counters
    }

    func run() async {
        // Nothing is taken before there is a connection to write it with.
        while await connectInIdleness(), let batch = await lanes.next(number) {
            counters.count {
                $0.batches += 1
                $0.batchSizes.add(batch.load.records)
            }
            await write(batch)
            rest(lanes.wrote(number))
        }
        await disconnect()
    }

    /// Some milliseconds at most, in which this lane's thread sleeps: nobody else runs on it, and a timer would wake two more.
    private func rest(_ duration: Duration) {
        if duration > .zero { usleep(useconds_t(duration / .microseconds(1))) }
    }

    private func write(_ batch: LaneQueue.Batch) async {
        var work = BatchWork(deadline: batch.deadline)
        var events: [EventItem] = []
        events.reserveCapacity(batch.load.records)
        for slice in batch.slices {
            for (record, written) in zip(slice.records.indices, slice.records) {
                switch written {
                case .event(let event):
                    events.append(EventItem(submission: slice.submission, record: record, event: event))
                case .quarantine(let refused):
                    work.refused.append(RefusedItem(submission: slice.submission, record: record, refused: refused))
                }
            }
        }
        do throws(EngineError) {
            events = try await haveMonths(withoutKnownHeld(events, &work), &work)
            try await store(events, CommitDoubts(), &work)
            try await keepRefused(work)
        } catch {
            // Submissions that have all their outcomes are not concerned.
            lanes.fail(batch.slices.map(\.submission), error)
        }
    }

    /// A record that the database turned out not to take; its bytes are asked of whoever submitted it.
    func refuse(_ item: EventItem, _ reason: QuarantineReason, _ work: inout BatchWork) {
        guard let body = lanes.body(of: item.submission) else { return }
        let refused = QuarantinedRecord(
            tenant: item.event.tenant,
            source: item.event.source,
            versionNumber: item.event.versionNumber,
            receivedAt: item.event.receivedAt,
            reason: reason,
            body: body(item.record),
            profile: item.event.profile,
            requestID: item.event.explicitID
        )
        work.refused.append(RefusedItem(submission: item.submission, record: item.record, refused: refused))
    }

    // MARK: Its connection

    /// The connection, made anew when it is lost.
    func session(_ deadline: ContinuousClock.Instant) async throws(PostgresError) -> Connection {
        if let connection, connection.isUsable, !connection.isPeerGone { return connection }
        await disconnect()
        let fresh = try await Connection.connect(configuration, deadline: min(deadline, .now + .seconds(5)), on: executor)
        do {
            try await lanes.login.check(fresh)
        } catch {
            await fresh.close()
            throw error as? PostgresError ?? PostgresError(.connectionFailed, "\(error)")
        }
        connection = fresh
        counters.count { $0.connections += 1 }
        return fresh
    }

    func disconnect() async {
        guard let old = connection else { return }
        connection = nil
        counters.count { $0.connections -= 1 }
        await old.close()
    }

    /// Tries until it has a connection; false when there is nothing left to write.
    private func connectInIdleness() async -> Bool {
        var backoff = Backoff()
        while true {
            if lanes.isDrained { return false }
            if (try? await session(.now + .seconds(5))) != nil { return true }
            if Task.isCancelled {
                // Connections can't be made any more: what waits is taken, to be failed.
                return true
            }
            await backoff.pause()
        }
    }
}

/// What is on the way between the steps of one batch.
struct BatchWork {
    /// Longer than any transaction of ours takes on a healthy server.
    static let longLockWait = Duration.seconds(2)
    /// While some row is known to be held, or it is being found which are.
    static let shortLockWait = Duration.milliseconds(20)
    /// So many are looked for one by one.
    static let mostHeldRows = 8

    let deadline: ContinuousClock.Instant
    /// How long a transaction of this batch waits for a row that another one holds.
    var lockWait = longLockWait
    /// Found so far.
    var heldRows = 0
    /// What goes to quarantine after the events.
    var refused: [RefusedItem] = []
}

/// Pauses that double from 20 ms to a second, less up to half by chance, so that many do not come back at once.
struct Backoff {
    private static let longest = Duration.seconds(1)
    private var current = Duration.milliseconds(20)

    mutating func pause(until deadline: ContinuousClock.Instant? = nil) async {
        let pause = current * Double.random(in: 0.5...1)
        current = min(current * 2, Self.longest)
        let end = ContinuousClock.now + pause
        // Cancelled, it returns at once: the next try says so.
        try? await Task.sleep(until: deadline.map { min($0, end) } ?? end, clock: .continuous)
    }
}
