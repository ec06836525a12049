import EventCore
import Postgres

extension Lane {
    /// Writes events, each transaction in one round trip, until every one has its outcome or is in `work.refused`.
    func store(_ items: [EventItem], _ doubts: CommitDoubts, _ work: inout BatchWork) async throws(EngineError) {
        var items = items
        var doubts = doubts
        var backoff = Backoff()
        var hasAskedForMonths = false
        while !items.isEmpty {
            do throws(PostgresError) {
                let attempt = try await write(items, work)
                guard let doubt = attempt.doubt else {
                    await resolve(&doubts, work.deadline)
                    items = try settle(items, attempt, &doubts, &work)
                    continue
                }
                counters.count { $0.lostReplies += 1 }
                doubts.add(number: attempt.number, inserted: attempt.inserted)
                guard ContinuousClock.now < work.deadline, !Task.isCancelled else { throw doubt }
            } catch {
                switch LaneFault(error) {
                case .row where items.count == 1:
                    return refuse(items[0], .unstorable, &work)
                case .row:
                    return try await store(halves(items), doubts, &work)
                case .held:
                    return try await store(withoutHeld(after: &work, items), doubts, &work)
                case .month where !hasAskedForMonths:
                    hasAskedForMonths = true
                    months.forget(Set(items.map { Month(of: $0.event.occurredAt) }))
                    items = try await haveMonths(items, &work)
                    continue
                case .passing where ContinuousClock.now < work.deadline: break
                case .month, .lasting:
                    // Another server may be the right one by now.
                    await disconnect()
                    throw EngineError(error)
                case .passing: throw EngineError(error)
                }
            }
            counters.count { $0.retries += 1 }
            await backoff.pause(until: work.deadline)
        }
    }

    private func store(_ parts: [[EventItem]], _ doubts: CommitDoubts, _ work: inout BatchWork) async throws(EngineError) {
        for part in parts { try await store(part, doubts, &work) }
    }

    func halves(_ items: [EventItem]) -> [[EventItem]] {
        let middle = items.count / 2
        return [Array(items[..<middle]), Array(items[middle...])]
    }

    private struct Attempt {
        var number: String?
        var claims: [Claim] = []
        /// nil when it did not arrive.
        var inserted: [EventKey]?
        var doubt: PostgresError?
    }

    /// One transaction. Its number is on its way before anything is inserted, and the inserted rows' keys before COMMIT runs.
    private func write(_ items: [EventItem], _ work: BatchWork) async throws(PostgresError) -> Attempt {
        let connection = try await session(work.deadline)
        let sorted = Self.inOrder(items)
        let hasClaims = items.contains { $0.explicitKey != nil }
        // Found held, it leaves time for the others of its batch.
        let lockWait = min(work.lockWait, max(.milliseconds(10), ContinuousClock.now.duration(to: work.deadline) / 2))
        var queries = [EnterLane(role: lanes.login.role, lockWait: lockWait).query]
        if hasClaims {
            queries += [ClaimIDs(items: sorted).query, FindClaims(items: sorted).query, InsertClaimedEvents(items: sorted).query]
        } else {
            queries.append(InsertEvents(items: sorted).query)
        }
        let result = try await connection.attemptTransaction(
            queries,
            flushingAfter: [0, queries.count - 1],
            deadline: work.deadline
        )
        var attempt = Attempt()
        attempt.doubt = result.doubt
        if let first = result.results.first { attempt.number = try first.decode(EnterLane.self).first }
        if hasClaims, result.results.count > 2 { attempt.claims = try result.results[2].decode(FindClaims.self) }
        if result.results.count == queries.count { attempt.inserted = try result.results[queries.count - 1].decode(InsertEvents.self) }
        return attempt
    }

    /// By primary key, so that two lanes with the same events never wait for each other crosswise.
    private static func inOrder(_ items: [EventItem]) -> [EventItem] {
        guard items.count > 1 else { return items }
        let keys = items.map(\.key)
        return keys.indices.sorted { keys[$0] < keys[$1] }.map { items[$0] }
    }

    /// Gives the committed events their outcomes; what must be tried again remains.
    private func settle(
        _ items: [EventItem],
        _ attempt: Attempt,
        _ doubts: inout CommitDoubts,
        _ work: inout BatchWork
    ) throws(PostgresError) -> [EventItem] {
        var fresh = Set(attempt.inserted ?? [])
        let claims = Dictionary(attempt.claims.map { ($0.key, $0) }) { first, _ in first }
        var settled: [LaneQueue.Settled] = []
        settled.reserveCapacity(items.count)
        var again: [EventItem] = []
        var unknown: Set<LaneQueue.SubmissionID> = []
        for item in items {
            if let key = ClaimKey(item) {
                guard let claim = claims[key] else {
                    // The sweep forgot the id between our two statements.
                    again.append(item)
                    continue
                }
                guard claim.content == item.event.contentDigest else {
                    refuse(item, .idReused, &work)
                    continue
                }
                guard claim.isFor(item.event) else {
                    settled.append(item.settled(.duplicate))
                    continue
                }
            }
            if fresh.remove(item.key) != nil {
                settled.append(item.settled(.accepted))
                continue
            }
            switch doubts.finding(item.key) {
            case .new: settled.append(item.settled(.accepted))
            case .known: settled.append(item.settled(.duplicate))
            case .unknowable: unknown.insert(item.submission)
            }
        }
        counters.count { $0.count(settled) }
        lanes.settle(settled)
        if !unknown.isEmpty {
            lanes.fail(unknown, EngineError(.outcomeUnknown, "stored, but the reply that said whether it is new was lost"))
        }
        return again
    }

    /// Asks what became of the tries before. The rows are stored by now: what can't be learnt stays unknown, and is no error.
    private func resolve(_ doubts: inout CommitDoubts, _ deadline: ContinuousClock.Instant) async {
        for (place, number) in doubts.unresolved {
            let fate = try? await retrying(until: deadline) { connection throws(PostgresError) -> String? in
                do throws(PostgresError) {
                    return try await connection.execute(TransactionFate(number: number), deadline: deadline).first ?? nil
                } catch {
                    // A number that lies in the future: the server lost that transaction in a crash.
                    guard error.sqlState == .invalidParameterValue else { throw error }
                    return "aborted"
                }
            }
            doubts.resolve(place, fate: fate ?? nil)
        }
    }
}
