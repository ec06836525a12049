import EventCore

/// What waits to be written, and who writes what: events in, actions out, no lock and no I/O.
///
/// - A lane that asks for work gets what waits at that moment, or the next submission that comes. But beside small batches, which
///   are soon done, a further lane begins only with what is worth a transaction (`gathers`), and after a small batch of several
///   submissions its lane rests for a moment: twice as many in a transaction cost a third less each.
/// - Tenants take turns: each batch holds as many records of each waiting tenant as fit evenly. A submission is cut where a
///   batch is full, so nobody's turn is longer than another's and no deficit is carried over.
/// - A tenant is in at most `lanes - 1` batches at once (with one lane: 1).
/// - While several tenants are about, batches are small, and one that has more under way than fits into a small batch, a flood, is in
///   a third of the lanes at most and in batches of its own: another's single record neither waits for it to be inserted nor for
///   much of it to be flushed, and the processor has room for both. While somebody is about who is no flood, these batches are smaller
///   still, and a lane rests after each (`isPaced`).
/// - A submission counts against the bounds until its last record has an outcome.
struct LaneQueue {
    typealias SubmissionID = Int
    typealias LaneID = Int
    typealias Instant = ContinuousClock.Instant

    let settings: Settings
    var submissions: [SubmissionID: Submission] = [:]
    var tenants: [TenantID: Tenant] = [:]
    /// The tenants with something to take, in the order of their turns.
    var turns: [TenantID] = []
    var idle: [LaneID] = []
    var writing: [LaneID: Writing] = [:]
    /// What no lane has taken.
    var waiting = Load()
    /// How long the last small batch took.
    private(set) var smallTook = Duration.zero
    /// How large a paced batch may be at the moment.
    private(set) var pacedRecords: Int
    /// The number that the next submission gets.
    private(set) var nextSubmission = 0
    /// Of all submissions that are here.
    private(set) var load = Load()
    private(set) var isStopping = false
    private var lastSeen: Sighting?
    /// Of another tenant than `lastSeen`.
    private(set) var lastOther: Sighting?
    /// When somebody who is no flood, and was none lately, brought something.
    private(set) var lastSmall: Instant?
    /// When each tenant was last seen to be a flood; those of the last `sharedFor`.
    private var floods: [TenantID: Instant] = [:]

    init(_ settings: Settings) {
        self.settings = settings
        pacedRecords = settings.pacedBatchRecords
    }

    /// Stopping, and nothing is left to take.
    var isDrained: Bool { isStopping && turns.isEmpty }
    var isEmpty: Bool { submissions.isEmpty }
    /// When the first of those that are here came; looks at all of them.
    var oldest: Instant? { submissions.values.lazy.map(\.since).min() }

    // MARK: Submissions

    /// Takes a submission in, or refuses it with an error; `serve` gives it to a lane.
    ///
    /// One that is larger than a tenant's share is taken while nothing else of that tenant is here, or it could never be.
    mutating func add(
        _ records: [WriteRecord],
        bytes: Int,
        tenant id: TenantID,
        deadline: Instant,
        now: Instant
    ) -> Result<SubmissionID, EngineError> {
        precondition(!records.isEmpty, "a submission holds at least one record")
        guard !isStopping else { return .failure(.stopping) }
        guard now < deadline else { return .failure(.deadlinePassed) }
        var tenant = tenants[id] ?? Tenant()
        let fits = load.records + records.count <= settings.maximumRecords && load.bytes + bytes <= settings.maximumBytes
        let isWithinShare =
            (tenant.load.records + records.count) * settings.tenantDivisor <= settings.maximumRecords
            && (tenant.load.bytes + bytes) * settings.tenantDivisor <= settings.maximumBytes
        guard
            fits && isWithinShare
                || tenant.load.records == 0 && load.records < settings.maximumRecords && load.bytes < settings.maximumBytes
        else { return .failure(.queueFull) }

        if let last = lastSeen, last.tenant != id { lastOther = last }
        lastSeen = Sighting(tenant: id, seen: now)
        let submission = nextSubmission
        nextSubmission += 1
        submissions[submission] = Submission(
            tenant: id,
            records: records,
            bytes: bytes,
            deadline: deadline,
            since: now,
            unsettled: records.count,
            outcomes: Array(repeating: .accepted, count: records.count)
        )
        let brought = Load(records: records.count, bytes: bytes)
        load += brought
        waiting += brought
        tenant.load += brought
        if tenant.head == tenant.waiting.count { turns.append(id) }
        tenant.waiting.append(submission)
        tenants[id] = tenant
        noteSize(of: tenant, id, now)
        return .success(submission)
    }

    /// Ends the submissions whose time is over, also those that a lane has taken: what it makes of them is not waited for.
    mutating func expire(now: Instant) -> [Action] {
        let late = submissions.filter { $0.value.deadline <= now }.keys.sorted()
        let affected = Set(late.compactMap { submissions[$0]?.tenant })
        let actions = late.map { end($0, .deadlinePassed) }
        for id in affected { dropEnded(of: id) }
        return actions + serve(now)
    }

    // MARK: Lanes

    /// The lane's batch is written. How long it is to rest before it says `ready`; until then it takes nothing.
    mutating func wrote(_ lane: LaneID, now: Instant) -> Duration {
        guard let done = writing[lane] else { return .zero }
        let took = done.since.duration(to: now)
        if done.isPaced {
            // Where a flush takes longer than what it flushes, more goes with it.
            let isSoonDone = smallTook == .zero || took < smallTook * 2
            pacedRecords =
                isSoonDone ? min(pacedRecords * 2, settings.sharedBatchRecords) : max(pacedRecords / 2, settings.pacedBatchRecords)
        } else if done.load.isSmall(settings) {
            smallTook = took
        }
        return rest(after: done, took)
    }

    /// None while no other lane is free for what comes meanwhile.
    private func rest(after done: Writing, _ took: Duration) -> Duration {
        guard !isStopping, !idle.isEmpty else { return .zero }
        if done.isPaced { return min(took * settings.pacedRest, settings.longestRest) }
        // With two lanes a tenant has one, and nothing is worth another to it.
        let gathers = settings.lanes > 2 && done.submissions > 1 && took <= settings.soonDone
        return gathers && done.load.isSmall(settings) && done.load.records < settings.worthALane ? settings.gatheringRest : .zero
    }

    /// The lane has nothing to do; what it wrote before is done with.
    mutating func ready(_ lane: LaneID, now: Instant) -> [Action] {
        release(lane)
        idle.append(lane)
        return serve(now)
    }

    /// Records of a lane's batch have their outcomes; those of a submission that has ended are ignored.
    mutating func settle(_ settled: [Settled]) -> [Action] {
        var actions: [Action] = []
        for one in settled {
            guard let index = submissions.index(forKey: one.submission) else { continue }
            submissions.values[index].outcomes[one.record] = one.outcome
            submissions.values[index].unsettled -= 1
            guard submissions.values[index].unsettled == 0 else { continue }
            let outcomes = submissions.values[index].outcomes
            forget(one.submission)
            actions.append(.succeed(one.submission, outcomes))
        }
        return actions
    }

    /// These submissions end with an error; those that have ended are ignored.
    mutating func fail(_ ids: [SubmissionID], _ error: EngineError) -> [Action] {
        var actions: [Action] = []
        for id in ids where submissions[id] != nil { actions.append(end(id, error)) }
        return actions + stopIfDrained()
    }

    /// No more submissions; what is here is written.
    mutating func stop(now: Instant) -> [Action] {
        isStopping = true
        return serve(now)
    }

    // MARK: Inside

    private mutating func noteSize(of tenant: Tenant, _ id: TenantID, _ now: Instant) {
        if tenant.isFlood(settings) {
            floods = floods.filter { now < $0.value + settings.sharedFor }
            floods[id] = now
        } else if tenant.load.isSmall(settings) {
            // The end of a long body is no small one.
            if let flooded = floods[id], now < flooded + settings.sharedFor { return }
            lastSmall = now
        }
    }

    /// Whatever takes the last of what waits, or ends it, has to ask this: no lane comes back to be stopped.
    mutating func stopIfDrained() -> [Action] {
        guard isStopping else { return [] }
        turns = turns.filter { !isDone($0) }
        guard turns.isEmpty else { return [] }
        defer { idle.removeAll() }
        return idle.map { .stop($0) }
    }

    /// Nothing of this tenant can be taken any more.
    private func isDone(_ id: TenantID) -> Bool {
        guard let tenant = tenants[id] else { return true }
        return !tenant.waiting[tenant.head...].contains { submissions[$0] != nil }
    }

    /// While no lane takes anything, nothing else would forget what has ended.
    private mutating func dropEnded(of id: TenantID) {
        guard var tenant = tenants[id] else { return }
        let wasWaiting = tenant.head < tenant.waiting.count
        tenant.waiting.removeFirst(tenant.head)
        tenant.head = 0
        tenant.waiting.removeAll { submissions[$0] == nil }
        tenants[id] = tenant
        if wasWaiting, tenant.waiting.isEmpty { turns.removeAll { $0 == id } }
        forgetIfUnused(id)
    }

    mutating func end(_ id: SubmissionID, _ error: EngineError) -> Action {
        forget(id)
        return .fail(id, error)
    }

    private mutating func forget(_ id: SubmissionID) {
        guard let submission = submissions.removeValue(forKey: id) else { return }
        let gone = Load(records: submission.records.count, bytes: submission.bytes)
        load -= gone
        waiting -= Load(submission.records[submission.taken...])
        tenants[submission.tenant]?.load -= gone
        forgetIfUnused(submission.tenant)
    }

    mutating func forgetIfUnused(_ id: TenantID) {
        if let tenant = tenants[id], tenant.isForgettable { tenants[id] = nil }
    }

    private mutating func release(_ lane: LaneID) {
        guard let done = writing.removeValue(forKey: lane) else { return }
        for tenant in done.tenants {
            tenants[tenant]?.lanes -= 1
            forgetIfUnused(tenant)
        }
    }
}
