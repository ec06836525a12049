import Postgres

/// Takes a month out whole, without holding up ingest: DETACH CONCURRENTLY waits for nobody who writes, and nobody who writes waits for it.
///
/// Three steps, each under a `lock_timeout` and each found again by the next run when it is interrupted: the month is marked, it is detached (an
/// interrupted detaching stays pending and is finalised), and it is dropped after retention and holds were looked at once more under a lock.
struct MonthDrop: Sendable {
    enum Outcome: Sendable, Equatable {
        case dropped
        /// Somebody needs it after all.
        case kept
        /// Somebody else's transaction is in the way; the next run goes on.
        case busy
        /// Somebody still reads what a month of the same parent had, whose detaching is pending. PostgreSQL detaches no other until then.
        case waiting
    }

    let connection: Connection
    let actor: AuditActor
    /// How long a statement waits for each lock.
    var lockTimeout = Duration.seconds(5)
    var attempts = 5

    /// How long a statement that detaches may take in all: it waits for some locks one after another, and does little else.
    private static let statementTimeout = Duration.seconds(20)

    func drop(_ partition: PartitionRecord) async throws -> Outcome {
        var pause = Duration.milliseconds(100)
        // Each attempt does what the month's state asks for; three steps are the way of one that meets nobody.
        for _ in 0..<attempts + 2 {
            do {
                if let outcome = try await step(partition) { return outcome }
            } catch let error as PostgresError where error.isLockTrouble {
                try await Task.sleep(for: pause)
                pause *= 2
            }
        }
        return try await current(partition)?.state == .detaching ? .waiting : .busy
    }

    /// Nil when there is more to do.
    private func step(_ partition: PartitionRecord) async throws -> Outcome? {
        guard let now = try await current(partition) else { return .dropped }
        let parent = "sluice.\(now.parent.rawValue)"
        switch now.state {
        case .attached:
            let isMarked = try await connection.asOwner { connection, deadline in
                try connection.execute(MarkForPurge(partition: now), deadline: deadline).first ?? false
            }
            guard isMarked else { return .kept }
            do {
                try await connection.runAloneAsOwner(
                    "ALTER TABLE \(parent) DETACH PARTITION \(now.identifier) CONCURRENTLY",
                    lockTimeout: lockTimeout,
                    deadline: .now + Self.statementTimeout
                )
            } catch let error as PostgresError where error.isOfAnotherDetaching {
                return .waiting
            }
            return nil
        case .detaching:
            try await connection.runAloneAsOwner(
                "ALTER TABLE \(parent) DETACH PARTITION \(now.identifier) FINALIZE",
                lockTimeout: lockTimeout,
                deadline: .now + Self.statementTimeout
            )
            return nil
        case .purging:
            // Written down in the same transaction: whatever becomes of the rest of the run, what is gone is known.
            let act = RecordAct(tenant: .installation, actor: actor, action: "retention.drop", target: now.name)
            let answer = try await connection.asOwner { connection, deadline in
                let answer = try connection.execute(DropDetached(relation: now.relation), deadline: deadline).first
                if answer == .dropped { _ = try connection.execute(act, deadline: deadline) }
                return answer
            }
            return answer == .dropped ? .dropped : .kept
        case .detached: return .kept
        }
    }

    private func current(_ partition: PartitionRecord) async throws -> PartitionRecord? {
        try await connection.asOwner(.readOnly) { connection, deadline in
            try connection.execute(ListPartitions(), deadline: deadline).first { $0.relation == partition.relation }
        }
    }
}

struct MarkForPurge: Statement {
    static let name = "mark_for_purge"
    static let sql = "SELECT sluice.mark_for_purge($1, $2)"

    let partition: PartitionRecord

    func bind(_ bindings: inout Bindings) {
        bindings.append(partition.parent.rawValue)
        bindings.append(partition.name)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Bool { try row.decode(0) }
}

struct DropDetached: Statement {
    enum Answer: String, Sendable {
        case dropped, kept, absent
    }

    static let name = "drop_detached"
    static let sql = "SELECT sluice.drop_detached($1::oid)"

    let relation: Int64

    func bind(_ bindings: inout Bindings) {
        bindings.append(relation)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Answer { try row.decodeEnum(0) }
}
