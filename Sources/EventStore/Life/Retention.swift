package import EventCore
package import Postgres

/// What a run would do, counted.
package struct RetentionPreview: Sendable, Equatable {
    /// A tenant's rows that would go.
    package struct Rows: Sendable, Equatable {
        package let tenant: String
        /// With months that go whole.
        package var inDroppedMonths = 0
        /// One by one, in months that others still need.
        package var deleted = 0
        package var refused = 0
        package var rememberedIDs = 0
        package let isHeld: Bool
    }

    package let asOf: Timestamp
    /// By name, like `events_2025_01`; with those that an earlier run left half-way.
    package let months: [String]
    /// Every tenant that loses something or is on hold.
    package let tenants: [Rows]
}

/// What a run did.
package struct RetentionOutcome: Sendable, Equatable {
    package var droppedMonths: [String] = []
    /// Needed after all, or in somebody's use: looked at again by the next run.
    package var waitingMonths: [String] = []
    /// Rows deleted one by one, by tenant.
    package var deleted: [String: Int] = [:]
    package var refused = 0
    package var rememberedIDs = 0

    package init() {}

    package var isNothing: Bool { droppedMonths.isEmpty && deleted.isEmpty && refused == 0 && rememberedIDs == 0 }
}

/// Makes what has expired go from the disk. Nobody sees it any more by then.
package struct Retention: Sendable {
    private let connection: Connection
    private let actor: AuditActor
    let batch: Int32
    /// Of each step of dropping a month.
    var lockTimeout = Duration.seconds(5)

    /// - Parameters:
    ///   - connection: direct, of a superuser or a member of `sluice_owner`.
    ///   - batch: rows deleted in one transaction.
    package init(_ connection: Connection, actor: AuditActor, batch: Int32 = 2_000) {
        self.connection = connection
        self.actor = actor
        self.batch = batch
    }

    /// Counts all that a run would do now; changes nothing.
    package func preview() async throws -> RetentionPreview {
        try await connection.asOwner(.readOnlySnapshot, timeout: .seconds(3_600)) { connection, deadline in
            let facts = try RetentionFacts.load(connection, deadline: deadline)
            let plan = RetentionPlan(facts)
            var rows: [TenantID: RetentionPreview.Rows] = [:]
            func add(_ tenant: TenantID, _ change: (inout RetentionPreview.Rows) -> Void) {
                let known = facts.tenants[tenant]
                let empty = RetentionPreview.Rows(tenant: known?.slug ?? "#\(tenant)", isHeld: known?.heldAt != nil)
                change(&rows[tenant, default: empty])
            }
            for month in plan.drops where month.parent == .events {
                for count in try connection.execute(CountRows(month), deadline: deadline) {
                    add(count.tenant) { $0.inDroppedMonths += count.rows }
                }
            }
            for deletion in plan.deletions {
                for count in try connection.execute(CountRows(deletion), deadline: deadline) {
                    add(count.tenant) { $0.deleted += count.rows }
                }
            }
            for count in try connection.execute(CountExpiredRefused(), deadline: deadline) {
                add(count.tenant) { $0.refused += count.rows }
            }
            for count in try connection.execute(CountExpiredIDs(), deadline: deadline) {
                add(count.tenant) { $0.rememberedIDs += count.rows }
            }
            for tenant in plan.held { add(tenant.id) { _ in } }
            return RetentionPreview(
                asOf: plan.asOf,
                months: (plan.unfinished + plan.drops).map(\.name),
                tenants: rows.values.sorted { $0.tenant < $1.tenant }
            )
        }
    }

    /// Does it. One run at a time; another one is told so.
    ///
    /// - Parameter progress: gets a line now and then.
    package func run(progress: @escaping @Sendable (String) -> Void = { _ in }) async throws -> RetentionOutcome {
        let outcome = try await connection.withSessionLock(SessionLock.months) {
            var outcome = RetentionOutcome()
            do {
                try await purge(&outcome, progress)
            } catch {
                // It is told what went wrong, whether or not this can be written down.
                if !outcome.isNothing { try? await record(outcome) }
                throw error
            }
            if !outcome.isNothing { try await record(outcome) }
            return outcome
        }
        guard let outcome else {
            throw StoreError(.notReady, "another retention run or a backup is under way; try again when it is done")
        }
        return outcome
    }

    private func purge(_ outcome: inout RetentionOutcome, _ progress: @Sendable (String) -> Void) async throws {
        // First what was left half-way, and the refused records: a month that they leave empty can go.
        var waiting: Set<PartitionRecord.Parent> = []
        let unfinished = try await plan().unfinished
        try await drop(unfinished, &waiting, &outcome, progress)
        try await sweep(&outcome)
        let plan = try await plan()
        try await drop(plan.drops, &waiting, &outcome, progress)
        for deletion in plan.deletions {
            let rows = try await delete(deletion)
            guard rows > 0 else { continue }
            outcome.deleted[deletion.name, default: 0] += rows
            progress("\(deletion.month): \(rows) expired rows of \(deletion.name) deleted")
        }
    }

    func plan() async throws -> RetentionPlan {
        try await connection.asOwner(.readOnlySnapshot) { connection, deadline in
            RetentionPlan(try RetentionFacts.load(connection, deadline: deadline))
        }
    }

    /// - Parameter waiting: parents of which a month's detaching is pending, so that all others wait for the next run.
    private func drop(
        _ months: [PartitionRecord],
        _ waiting: inout Set<PartitionRecord.Parent>,
        _ outcome: inout RetentionOutcome,
        _ progress: @Sendable (String) -> Void
    ) async throws {
        let monthDrop = MonthDrop(connection: connection, actor: actor, lockTimeout: lockTimeout)
        for month in months {
            let isWaiting = month.state == .attached && waiting.contains(month.parent)
            let result = isWaiting ? .waiting : try await monthDrop.drop(month)
            switch result {
            case .dropped: outcome.droppedMonths.append(month.name)
            case .kept, .busy: outcome.waitingMonths.append(month.name)
            case .waiting:
                waiting.insert(month.parent)
                outcome.waitingMonths.append(month.name)
            }
            progress("\(month.name): \(result)")
        }
    }

    /// As long a pause after each batch as it took, so that it never takes more than half of what there is.
    private func delete(_ deletion: RetentionPlan.Deletion) async throws -> Int {
        let batch = batch
        return try await connection.inBatches { connection, deadline in
            try connection.execute(PurgeExpired(deletion: deletion, batch: batch), deadline: deadline).first ?? 0
        }
    }

    private func sweep(_ outcome: inout RetentionOutcome) async throws {
        outcome.refused = try await connection.inBatches { connection, deadline in
            try connection.execute(SweepQuarantine(batch: 1_000), deadline: deadline).first ?? 0
        }
        outcome.rememberedIDs = try await connection.inBatches { connection, deadline in
            try connection.execute(SweepRememberedIDs(batch: 10_000), deadline: deadline).first ?? 0
        }
    }

    private func record(_ outcome: RetentionOutcome) async throws {
        var changes = Changes()
        changes.note("dropped_months", to: outcome.droppedMonths)
        changes.note("deleted_rows", to: outcome.deleted.values.reduce(0, +))
        changes.note("refused", to: outcome.refused)
        changes.note("remembered_ids", to: outcome.rememberedIDs)
        let act = RecordAct(tenant: .installation, actor: actor, action: "retention.run", target: "retention", detail: changes.json)
        try await connection.asOwner { connection, deadline in _ = try connection.execute(act, deadline: deadline) }
    }
}

extension Connection {
    /// One batch of what is deleted, and a rest as long as it took. Who is told to stop in that rest learns what this batch did all the same.
    func batch<T: Sendable>(_ body: @Sendable (isolated Connection, ContinuousClock.Instant) throws -> T) async throws -> T {
        try Task.checkCancellation()
        let started = ContinuousClock.now
        let output = try await asPatientOwner(body)
        try? await Task.sleep(for: min(.now - started, .seconds(1)))
        return output
    }

    /// Deletes batch after batch until one finds nothing; how many rows.
    func inBatches(_ body: @Sendable (isolated Connection, ContinuousClock.Instant) throws -> Int32) async throws -> Int {
        var total = 0
        while case let rows = Int(try await batch(body)), rows > 0 { total += rows }
        return total
    }
}

struct PurgeExpired: Statement {
    static let name = "purge_expired"
    static let sql = "SELECT sluice.purge_expired($1, $2, $3, $4)"

    let deletion: RetentionPlan.Deletion
    let batch: Int32

    func bind(_ bindings: inout Bindings) {
        bindings.append(deletion.tenant.rawValue)
        bindings.append(deletion.window.lowerBound.timestamptz)
        bindings.append(deletion.window.upperBound.timestamptz)
        bindings.append(batch)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Int32 { try row.decode(0) }
}
