import EventCore

extension LaneQueue {
    /// Gives idle lanes what waits; stops them when it was the last.
    mutating func serve(_ now: Instant) -> [Action] {
        var actions: [Action] = []
        while !turns.isEmpty, let lane = idle.last, !gathers(now) {
            let waiting = turns.count
            guard let batch = takeBatch(now, &actions) else {
                // What the first in turn had left has ended: others may still have something.
                if turns.count < waiting { continue }
                break
            }
            idle.removeLast()
            writing[lane] = Writing(batch, since: now)
            for tenant in batch.tenants { tenants[tenant]?.lanes += 1 }
            actions.append(.write(lane, batch))
        }
        return actions + stopIfDrained()
    }

    /// Only small batches are under way that should be done by `soonDone`, and little waits: what comes until then goes with it, for a
    /// transaction costs many times what a further record in it does. Where small batches take longer, nothing waits for them.
    private func gathers(_ now: Instant) -> Bool {
        guard !isStopping, !writing.isEmpty, waiting.records < settings.worthALane, waiting.isSmall(settings),
            smallTook <= settings.soonDone
        else { return false }
        return writing.values.allSatisfy { !$0.isPaced && $0.load.isSmall(settings) && now < $0.since + settings.soonDone }
    }

    /// What one lane writes next; nil when nobody who waits may have another lane.
    private mutating func takeBatch(_ now: Instant, _ actions: inout [Action]) -> Batch? {
        let isShared = isShared(now)
        let (candidates, isFlood) = candidates(isShared: isShared)
        guard !candidates.isEmpty else { return nil }
        let isPaced = isFlood && !isStopping && isSmallAbout(now)
        let limit = limit(isPaced: isPaced, isShared: isShared)
        var batch = Batch(deadline: now, isPaced: isPaced)
        var hungry = candidates
        var isFull = false
        while !isFull, !hungry.isEmpty, batch.load.records < limit.records {
            let share = max(1, (limit.records - batch.load.records) / hungry.count)
            var stillHungry: [TenantID] = []
            for id in hungry where !isFull && batch.load.records < limit.records {
                isFull = take(min(share, limit.records - batch.load.records), limit.bytes, of: id, into: &batch, now, &actions)
                if let tenant = tenants[id], tenant.head < tenant.waiting.count { stillHungry.append(id) }
            }
            hungry = stillHungry
        }
        endTurns(of: candidates, batch)
        return batch.load.records == 0 ? nil : batch
    }

    /// How large a batch may be; one record may be larger.
    private func limit(isPaced: Bool, isShared: Bool) -> Load {
        if isPaced {
            return Load(records: pacedRecords, bytes: settings.smallBytes * pacedRecords / settings.pacedBatchRecords)
        }
        return Load(records: isShared ? settings.sharedBatchRecords : settings.batchRecords, bytes: settings.batchBytes)
    }

    /// Whose records may be in the next batch, in the order of their turns; and whether they are floods.
    private func candidates(isShared: Bool) -> (tenants: [TenantID], areFloods: Bool) {
        var found: [TenantID] = []
        var isFlood = false
        for id in turns where found.count < settings.sharedBatchRecords {
            guard let tenant = tenants[id] else { continue }
            let floods = isShared && tenant.isFlood(settings)
            let mostLanes = floods ? settings.lanes / 3 : settings.lanes - 1
            guard tenant.lanes < max(1, mostLanes) else { continue }
            if found.isEmpty { isFlood = floods }
            // Few records are stored sooner without a flood's beside them.
            if floods == isFlood { found.append(id) }
        }
        return (found, isFlood)
    }

    private func isShared(_ now: Instant) -> Bool {
        if let other = lastOther, now < other.seen + settings.sharedFor { return true }
        guard turns.count == 1, let only = turns.first else { return true }
        return writing.values.contains { $0.tenants.contains { $0 != only } }
    }

    /// Somebody who is no flood brings something now and then.
    private func isSmallAbout(_ now: Instant) -> Bool {
        lastSmall.map { now < $0 + settings.sharedFor } ?? false
    }

    /// Those who got something go to the end of the line, if they still wait.
    private mutating func endTurns(of candidates: [TenantID], _ batch: Batch) {
        let seen = Set(candidates)
        var sooner: [TenantID] = []
        var later: [TenantID] = []
        for id in turns {
            guard seen.contains(id) else {
                sooner.append(id)
                continue
            }
            guard let tenant = tenants[id], tenant.head < tenant.waiting.count else { continue }
            if batch.tenants.contains(id) { later.append(id) } else { sooner.append(id) }
        }
        turns = sooner + later
    }

    /// Moves up to `count` of a tenant's records into the batch; true when `mostBytes` are used up.
    private mutating func take(
        _ count: Int,
        _ mostBytes: Int,
        of id: TenantID,
        into batch: inout Batch,
        _ now: Instant,
        _ actions: inout [Action]
    ) -> Bool {
        var left = count
        while left > 0, let tenant = tenants[id], tenant.head < tenant.waiting.count {
            let first = tenant.waiting[tenant.head]
            guard let index = submissions.index(forKey: first) else {
                // It has ended, with an error.
                advance(id)
                continue
            }
            guard submissions.values[index].deadline > now else {
                advance(id)
                actions.append(end(first, .deadlinePassed))
                continue
            }
            let start = submissions.values[index].taken
            let most = min(left, submissions.values[index].records.count - start)
            let before = batch.load
            let (end, isFull) = Self.cut(submissions.values[index].records, from: start, most, mostBytes, &batch)
            if end > start {
                submissions.values[index].taken = end
                waiting -= batch.load - before
                batch.slices.append(Slice(submission: first, records: submissions.values[index].records[start..<end]))
                batch.deadline = max(batch.deadline, submissions.values[index].deadline)
                batch.tenants.insert(id)
                left -= end - start
                if end == submissions.values[index].records.count { advance(id) }
            }
            if isFull { return true }
        }
        return false
    }

    private mutating func advance(_ id: TenantID) {
        tenants[id]?.advance()
        forgetIfUnused(id)
    }

    /// How far records fit into a batch; one record always fits into an empty one.
    private static func cut(
        _ records: [WriteRecord],
        from start: Int,
        _ most: Int,
        _ mostBytes: Int,
        _ batch: inout Batch
    ) -> (end: Int, isFull: Bool) {
        for place in start..<(start + most) {
            let size = records[place].size
            guard batch.load.records == 0 || batch.load.bytes + size <= mostBytes else { return (place, true) }
            batch.load += Load(records: 1, bytes: size)
        }
        return (start + most, false)
    }
}
