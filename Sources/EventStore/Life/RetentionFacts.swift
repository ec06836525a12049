import EventCore
import Postgres

/// All that retention is decided by, at one moment.
struct RetentionFacts: Sendable {
    struct Month: Sendable {
        let partition: PartitionRecord
        /// Who has rows in it, and each one's oldest.
        var present: [(tenant: TenantID, oldest: Timestamp)] = []
        /// Of refused records: one that has not expired, or of a tenant on hold, is in it.
        var keepsRefused = false
    }

    let now: Timestamp
    let tenants: [TenantID: TenantRetention]
    var months: [Month]

    /// In the transaction that the caller has begun as the owner.
    static func load(_ connection: isolated Connection, deadline: ContinuousClock.Instant) throws -> RetentionFacts {
        guard let now = try connection.execute(DatabaseNow(), deadline: deadline).first else {
            throw StoreError(.notReady, "the database does not say what time it is")
        }
        let tenants = try connection.execute(ListRetention(), deadline: deadline)
        let months = try connection.execute(ListPartitions(), deadline: deadline).map { partition in
            var month = Month(partition: partition)
            guard partition.state == .attached else { return month }
            let window = partition.since..<partition.until
            month.present = try connection.execute(TenantsIn(parent: partition.parent, window: window), deadline: deadline)
            if partition.parent == .quarantine {
                month.keepsRefused = try connection.execute(KeepsRefused(window: window), deadline: deadline).first ?? true
            }
            return month
        }
        return RetentionFacts(
            now: now,
            tenants: Dictionary(tenants.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first }),
            months: months
        )
    }

    /// Who still needs a month: those who may see some of it, or are on hold, and have rows in it.
    func needing(_ month: Month) -> [TenantRetention] {
        month.present.compactMap { tenants[$0.tenant] }.filter { tenant in
            month.partition.parent == .quarantine || tenant.heldAt != nil || month.partition.until > tenant.horizon(at: now)
        }
    }
}

/// Whether refused records of a month stay when those that have expired are swept.
struct KeepsRefused: Statement {
    static let name = "keeps_refused"
    static let sql = """
        SELECT EXISTS (SELECT FROM sluice.quarantine q JOIN sluice.tenants t USING (tenant_id)
                       WHERE q.received_at >= $1 AND q.received_at < $2
                         AND (t.held_at IS NOT NULL OR q.last_received_at >= now() - interval '30 days'
                              OR q.received_at >= now() - interval '30 days'))
        """

    let window: Range<Timestamp>

    func bind(_ bindings: inout Bindings) {
        bindings.append(window.lowerBound.timestamptz)
        bindings.append(window.upperBound.timestamptz)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Bool { try row.decode(0) }
}
