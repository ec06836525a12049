package import EventCore
import Postgres

/// A month's table of events or of refused records.
package struct PartitionRecord: Sendable, Equatable {
    package enum Parent: String, Sendable {
        case events, quarantine
    }

    package enum State: String, Sendable {
        case attached
        /// A detaching that was interrupted: to be finalised.
        case detaching
        /// Detached by a purge that did not come to its end.
        case purging
        /// Detached by somebody else, who has to care for it.
        case detached
    }

    package let parent: Parent
    package let name: String
    let relation: Int64
    /// The month's first moment, UTC.
    package let since: Timestamp
    /// The next month's.
    package let until: Timestamp
    package let state: State
    /// As of the last ANALYZE; 0 before the first.
    package let estimatedRows: Int
    /// With its indexes.
    package let bytes: Int

    /// A table's name in SQL.
    var identifier: String { "sluice.\"\(name)\"" }
}

struct ListPartitions: Statement {
    static let name = "list_partitions"
    static let sql = """
        SELECT parent, name, relation::int8, since, until, state, rows_estimate, bytes FROM sluice.partitions()
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> PartitionRecord {
        PartitionRecord(
            parent: try row.decodeEnum(0),
            name: try row.decode(1),
            relation: try row.decode(2),
            since: try row.timestamp(3),
            until: try row.timestamp(4),
            state: try row.decodeEnum(5),
            estimatedRows: Int(clamping: try row.decode(6, as: Int64.self)),
            bytes: Int(clamping: try row.decode(7, as: Int64.self))
        )
    }
}

/// Who has rows in a window of a parent, and since when.
struct TenantsIn: Statement {
    static let name = "tenants_in"
    static let sql = "SELECT tenant_id, oldest FROM sluice.tenants_in($1, $2, $3)"

    let parent: PartitionRecord.Parent
    let window: Range<Timestamp>

    func bind(_ bindings: inout Bindings) {
        bindings.append(parent.rawValue)
        bindings.append(window.lowerBound.timestamptz)
        bindings.append(window.upperBound.timestamptz)
    }

    static func decode(_ row: Row) throws(PostgresError) -> (tenant: TenantID, oldest: Timestamp) {
        (TenantID(rawValue: try row.decode(0)), try row.timestamp(1))
    }
}

/// What a tenant's rows are kept by.
package struct TenantRetention: Sendable, Equatable {
    package let id: TenantID
    package let slug: String
    package let retentionDays: Int
    /// On hold since.
    package let heldAt: Timestamp?

    /// Rows before it are invisible.
    func horizon(at now: Timestamp) -> Timestamp { now.adding(days: -retentionDays) }
}

struct ListRetention: Statement {
    static let name = "list_retention"
    static let sql = "SELECT tenant_id, slug, retention_days, held_at FROM sluice.tenants ORDER BY tenant_id"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> TenantRetention {
        TenantRetention(
            id: TenantID(rawValue: try row.decode(0)),
            slug: try row.decode(1),
            retentionDays: Int(try row.decode(2, as: Int32.self)),
            heldAt: try row.timestampIfPresent(3)
        )
    }
}

/// The transaction's own time, which `now()` in every statement of it is.
struct DatabaseNow: Statement {
    static let name = "database_now"
    static let sql = "SELECT now()"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> Timestamp { try row.timestamp(0) }
}
