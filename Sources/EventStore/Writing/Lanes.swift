package import EventCore
package import Postgres
import Synchronization

/// The writing engine: a bounded queue, and lanes that commit what waits in it.
///
/// When `submit` returns, what it calls accepted, duplicate or quarantined is committed. When it throws, none or part of it
/// may be: the sender tries again, and finds that part to be duplicates.
package final class Lanes: Sendable {
    /// The longest submission.
    package static let maximumRecords = 1_000

    /// The bytes of a submission's record, as received: asked for only when the database turns out to refuse the record.
    package typealias RecordBody = @Sendable (_ record: Int) -> [UInt8]

    package typealias Completion = @Sendable (Result<[WriteOutcome], EngineError>) -> Void

    private struct Waiter {
        let completion: Completion
        let body: RecordBody
    }

    private struct State {
        var queue: LaneQueue
        var waiters: [LaneQueue.SubmissionID: Waiter] = [:]
        var lanes: [LaneQueue.LaneID: CheckedContinuation<LaneQueue.Batch?, Never>] = [:]
    }

    /// What is resumed once the lock is released.
    private enum Resumption {
        case lane(CheckedContinuation<LaneQueue.Batch?, Never>, LaneQueue.Batch?)
        case waiter(Completion, Result<[WriteOutcome], EngineError>)
    }

    private let state: Mutex<State>
    private let configuration: ConnectionConfiguration
    private let count: Int
    private let counters = LaneCounters()
    let held = HeldRows()
    let login: LaneLogin

    /// - Parameter login: whose connections these are.
    package convenience init(
        _ configuration: ConnectionConfiguration,
        settings: LaneSettings = LaneSettings(),
        login: LaneLogin = .api
    ) {
        self.init(configuration, queue: settings.queue, login: login)
    }

    init(_ configuration: ConnectionConfiguration, queue: LaneQueue.Settings, login: LaneLogin = .api) {
        self.configuration = configuration
        self.login = login
        count = queue.lanes
        state = Mutex(State(queue: LaneQueue(queue)))
    }

    /// How the engine is doing: plain numbers to publish.
    package var statistics: LaneStatistics {
        var statistics = counters.statistics
        state.withLock { state in
            statistics.waitingRecords = state.queue.load.records
            statistics.waitingBytes = state.queue.load.bytes
            if let oldest = state.queue.oldest { statistics.oldestWaiting = oldest.duration(to: .now) }
        }
        return statistics
    }

    /// Stores the records of one tenant; one outcome for each, in their order.
    ///
    /// Returns or throws at `deadline`, give or take 50 ms. Not cancellable: what a lane has taken is stored, whoever waits.
    /// A long body goes in as one submission after the other, each awaited, so that memory stays bounded.
    ///
    /// - Parameters:
    ///   - records: at most `maximumRecords`, all of this tenant.
    ///   - body: the bytes of a record by its index, for the quarantine; called at any time until this returns.
    package func submit(
        _ records: [WriteRecord],
        tenant: TenantID,
        deadline: ContinuousClock.Instant,
        body: @escaping RecordBody
    ) async throws(EngineError) -> [WriteOutcome] {
        let result = await withCheckedContinuation { continuation in
            submit([Submission(records, tenant: tenant, deadline: deadline, body: body) { continuation.resume(returning: $0) }])
        }
        return try result.get()
    }

    /// Records of one tenant, and whom to tell what became of them.
    package struct Submission: Sendable {
        let records: [WriteRecord]
        let tenant: TenantID
        let deadline: ContinuousClock.Instant
        let body: RecordBody
        let completion: Completion

        /// - Parameters:
        ///   - records: at most `maximumRecords`, all of this tenant.
        ///   - completion: called once, on any thread, which it must not block.
        package init(
            _ records: [WriteRecord],
            tenant: TenantID,
            deadline: ContinuousClock.Instant,
            body: @escaping RecordBody,
            completion: @escaping Completion
        ) {
            precondition(records.count <= Lanes.maximumRecords, "a submission holds at most \(Lanes.maximumRecords) records")
            self.records = records
            self.tenant = tenant
            self.deadline = deadline
            self.body = body
            self.completion = completion
        }
    }

    /// As the other `submit`, for several at once: they go together.
    package func submit(_ submissions: [Submission]) {
        let now = ContinuousClock.now
        let resumptions = state.withLock { state -> [Resumption] in
            var resumptions: [Resumption] = []
            for one in submissions {
                guard !one.records.isEmpty else {
                    resumptions.append(.waiter(one.completion, .success([])))
                    continue
                }
                let bytes = one.records.reduce(0) { $0 + $1.size }
                switch state.queue.add(one.records, bytes: bytes, tenant: one.tenant, deadline: one.deadline, now: now) {
                case .success(let id): state.waiters[id] = Waiter(completion: one.completion, body: one.body)
                case .failure(let error): resumptions.append(.waiter(one.completion, .failure(error)))
                }
            }
            return resumptions + Self.resumptions(for: state.queue.serve(now), &state)
        }
        Self.perform(resumptions)
    }

    /// Runs the lanes until `stop` was called and everything taken is written.
    ///
    /// When its task is cancelled, it stops, and what waits fails with `.unavailable`.
    package func run() async {
        await withTaskCancellationHandler {
            let months = KnownMonths()
            let executors = (0..<count).map { _ in ThreadExecutor() }
            defer { for executor in executors { executor.stop() } }
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.keepTime() }
                await withTaskGroup(of: Void.self) { lanes in
                    for (number, executor) in executors.enumerated() {
                        lanes.addTask(executorPreference: executor) {
                            await Lane(number, of: self, self.configuration, on: executor, months, self.counters).run()
                        }
                    }
                }
                group.cancelAll()
            }
        } onCancel: {
            stop()
        }
        // A lane ends only when nothing is left to take, so this answers those that another lane took and lost.
        expire(.now + .seconds(86_400))
    }

    /// From now on submissions are refused (`.stopping`); `run` returns when those taken are done.
    package func stop() {
        act { $0.stop(now: .now) }
    }

    /// Deadlines hold also while no lane can write, and nobody waits long for a batch that was to be small.
    private func keepTime() async {
        var ticks = 0
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(10))
            ticks &+= 1
            if ticks % 5 == 0 { expire(.now) } else { act { $0.waiting.records == 0 ? [] : $0.serve(.now) } }
        }
    }

    func expire(_ now: ContinuousClock.Instant) {
        act { $0.isEmpty ? [] : $0.expire(now: now) }
    }

    // MARK: For lanes

    var isDrained: Bool { state.withLock { $0.queue.isDrained } }

    /// What the lane writes next; nil when it is to end.
    func next(_ lane: LaneQueue.LaneID) async -> LaneQueue.Batch? {
        await withCheckedContinuation { continuation in
            act(
                before: { $0.lanes[lane] = continuation },
                { $0.ready(lane, now: .now) }
            )
        }
    }

    /// How long a lane is to rest after what it wrote.
    func wrote(_ lane: LaneQueue.LaneID) -> Duration {
        state.withLock { $0.queue.wrote(lane, now: .now) }
    }

    func settle(_ settled: [LaneQueue.Settled]) {
        act { $0.settle(settled) }
    }

    func fail(_ submissions: some Sequence<LaneQueue.SubmissionID>, _ error: EngineError) {
        act { $0.fail(Array(submissions), error) }
    }

    /// nil when nobody waits for that submission any more.
    func body(of submission: LaneQueue.SubmissionID) -> RecordBody? {
        state.withLock { $0.waiters[submission]?.body }
    }

    // MARK: Inside

    private func act(_ change: (inout LaneQueue) -> [LaneQueue.Action]) {
        act(before: { _ in }, change)
    }

    private func act(before: (inout State) -> Void, _ change: (inout LaneQueue) -> [LaneQueue.Action]) {
        let resumptions = state.withLock { state in
            before(&state)
            return Self.resumptions(for: change(&state.queue), &state)
        }
        Self.perform(resumptions)
    }

    private static func resumptions(for actions: [LaneQueue.Action], _ state: inout State) -> [Resumption] {
        var resumptions: [Resumption] = []
        resumptions.reserveCapacity(actions.count)
        for action in actions {
            switch action {
            case .write(let lane, let batch):
                if let continuation = state.lanes.removeValue(forKey: lane) { resumptions.append(.lane(continuation, batch)) }
            case .stop(let lane):
                if let continuation = state.lanes.removeValue(forKey: lane) { resumptions.append(.lane(continuation, nil)) }
            case .succeed(let id, let outcomes):
                if let waiter = state.waiters.removeValue(forKey: id) {
                    resumptions.append(.waiter(waiter.completion, .success(outcomes)))
                }
            case .fail(let id, let error):
                if let waiter = state.waiters.removeValue(forKey: id) {
                    resumptions.append(.waiter(waiter.completion, .failure(error)))
                }
            }
        }
        return resumptions
    }

    private static func perform(_ resumptions: [Resumption]) {
        for resumption in resumptions {
            switch resumption {
            case .lane(let continuation, let batch): continuation.resume(returning: batch)
            case .waiter(let completion, let result): completion(result)
            }
        }
    }
}
