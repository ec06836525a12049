package import EventCore
import Postgres

/// Where a page of events ends that are walked by when they were received.
package struct ReceivedPosition: Sendable, Equatable {
    package let receivedAt: Timestamp
    package let id: EventID

    package init(receivedAt: Timestamp, id: EventID) {
        self.receivedAt = receivedAt
        self.id = id
    }
}

extension EventReader {
    /// Events received at `since` or later, in the order in which they were received; at most `limit` of them, and of about `maximumPageBytes`.
    ///
    /// Who follows a tenant asks from some time back each time: an event bears the time at which its request began, and may be
    /// committed long after another one that began later. A record that was replayed from quarantine keeps the time at which it was received, so it is
    /// behind where anybody looks.
    package func received(
        of tenant: TenantID,
        retentionDays: Int,
        filter: EventFilter,
        since: Timestamp,
        after: ReceivedPosition?,
        limit: Int,
        now: Timestamp,
        deadline: ContinuousClock.Instant
    ) async throws -> (events: [StoredEvent], next: ReceivedPosition?) {
        let schemas = try await schemas(of: tenant)
        let queries = try filter.fields.map { try schemas.query($0) }
        // What is before the position was walked: the index leads past it.
        let query = SelectReceived(
            tenant: tenant,
            oldest: max(now.adding(days: -retentionDays), .oldestPossible),
            since: after?.receivedAt ?? since,
            after: after,
            limit: limit + 1
        )
        let page = PageBuilder(maximumRows: limit, maximumBytes: Self.maximumPageBytes)
        let walked = WalkedRows()
        try await database.stream(query, as: tenant, deadline: deadline) { event in
            walked.add(event)
            return page.add(event) || walked.count == query.limit
        }
        let rows = page.page.events
        let last = page.isFull ? rows.last.map { ReceivedPosition(receivedAt: $0.receivedAt, id: $0.id) } : nil
        return (rows.compactMap { schemas.shaped($0, queries) }.filter(filter.matchesColumns), last)
    }
}

extension EventFilter {
    /// What a filter asks besides schema fields.
    fileprivate func matchesColumns(_ event: StoredEvent) -> Bool {
        (from.map { event.occurredAt >= $0 } ?? true) && (to.map { event.occurredAt < $0 } ?? true)
            && (type.map { event.type == $0 } ?? true) && (actor.map { event.actor == $0 } ?? true)
            && (machine.map { event.machine == $0 } ?? true) && (source.map { event.source == $0 } ?? true)
    }
}

struct SelectReceived: Sendable {
    let tenant: TenantID
    let oldest: Timestamp
    let since: Timestamp
    let after: ReceivedPosition?
    let limit: Int
}

extension SelectReceived: QueryStatement {
    var query: Query {
        var builder = QueryBuilder(name: "select_received")
        builder.add("e.tenant_id = ?", key: "") { $0.append(tenant.rawValue) }
        builder.add("e.occurred_at >= ?", key: "") { $0.append(oldest.timestamptz) }
        builder.add("e.received_at >= ?", key: "") { $0.append(since.timestamptz) }
        if let after {
            builder.add("(e.received_at, e.id) > (?, ?)", key: "after") {
                $0.append(after.receivedAt.timestamptz)
                $0.append(after.id.uuid)
            }
        }
        return builder.page(by: "received_at, id", limit: limit)
    }

    static func decode(_ row: Row) throws(PostgresError) -> StoredEvent {
        try SelectEvents.decode(row)
    }
}
