import EventCore
import Postgres

/// Rows by tenant, in a window of a parent.
struct CountRows: QueryStatement {
    let parent: PartitionRecord.Parent
    let window: Range<Timestamp>
    var tenant: TenantID?

    init(_ partition: PartitionRecord) {
        parent = partition.parent
        window = partition.since..<partition.until
    }

    init(_ deletion: RetentionPlan.Deletion) {
        parent = .events
        window = deletion.window
        tenant = deletion.tenant
    }

    var query: Query {
        var bindings = Bindings()
        bindings.append(window.lowerBound.timestamptz)
        bindings.append(window.upperBound.timestamptz)
        if let tenant { bindings.append(tenant.rawValue) }
        let time = parent == .events ? "occurred_at" : "received_at"
        // No name: the bounds decide which months are planned for.
        return Query(
            """
            SELECT tenant_id, count(*) FROM sluice.\(parent.rawValue)
            WHERE \(time) >= $1 AND \(time) < $2\(tenant == nil ? "" : " AND tenant_id = $3") GROUP BY tenant_id
            """,
            bindings: bindings
        )
    }

    static func decode(_ row: Row) throws(PostgresError) -> (tenant: TenantID, rows: Int) {
        (TenantID(rawValue: try row.decode(0)), Int(clamping: try row.decode(1, as: Int64.self)))
    }
}

/// Refused records that a sweep would delete now, by tenant.
struct CountExpiredRefused: Statement {
    static let name = "count_expired_refused"
    static let sql = """
        SELECT q.tenant_id, count(*) FROM sluice.quarantine q JOIN sluice.tenants t USING (tenant_id)
        WHERE t.held_at IS NULL AND q.received_at < now() - interval '30 days' AND q.last_received_at < now() - interval '30 days'
        GROUP BY q.tenant_id
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> (tenant: TenantID, rows: Int) { try CountRows.decode(row) }
}

/// Senders' ids that a sweep would forget now, by tenant.
struct CountExpiredIDs: Statement {
    static let name = "count_expired_ids"
    static let sql = """
        SELECT r.tenant_id, count(*) FROM sluice.remembered_ids r
        WHERE r.seen_at < now() - interval '7 days'
          AND r.tenant_id NOT IN (SELECT t.tenant_id FROM sluice.tenants t WHERE t.held_at IS NOT NULL)
        GROUP BY r.tenant_id
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> (tenant: TenantID, rows: Int) { try CountRows.decode(row) }
}
