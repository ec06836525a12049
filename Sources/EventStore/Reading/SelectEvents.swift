import EventCore
import Postgres

/// One window of one tenant's events, newest first.
///
/// The text depends only on which filters are set, so each combination has a plan of its own that can use the index of
/// what it filters by; `name` tells them apart.
struct SelectEvents: Sendable {
    let tenant: TenantID
    let filter: EventFilter
    /// Of `occurred_at`.
    let window: Range<Timestamp>
    var after: EventPosition?
    var id: EventID?
    /// What the filter asks of schema fields: rows that may match.
    var fields: [[SchemaHistory.FieldQuery.Place]] = []
    /// The window is of many months, and its far end a month's start or the end of what is kept: planned once a session, where the text allows it.
    var isWide = false
    let limit: Int
}

extension SelectEvents: QueryStatement {
    var query: Query {
        var builder = QueryBuilder(name: "select_events")
        builder.add("e.tenant_id = ?", key: "") { $0.append(tenant.rawValue) }
        builder.add("e.occurred_at >= ?", key: "") { $0.append(window.lowerBound.timestamptz) }
        builder.add("e.occurred_at < ?", key: "") { $0.append(window.upperBound.timestamptz) }
        if let after {
            builder.add("(e.occurred_at, e.id) \(filter.order.isBehind) (?, ?)", key: "after") {
                $0.append(after.occurredAt.timestamptz)
                $0.append(after.id.uuid)
            }
        }
        let sought = isWide ? sought : nil
        if let sought {
            // A range of one value, in the order of the column's index: without the values nothing else tells PostgreSQL that this index leads to
            // fewer rows than the one by time. Behind a range the index no longer stops at the window's far end, so that must be a
            // month's start, behind which no partition is looked into, or the end of all that is kept.
            builder.add("e.\(sought.column) BETWEEN ? AND ?", key: "seek.\(sought.column)") {
                $0.append(sought.value)
                $0.append(sought.value)
            }
        } else {
            addConditions(to: &builder)
        }
        if filter.order == .oldestFirst { builder.mark("asc") }
        let direction = filter.order.direction
        var query = builder.page(
            by: "occurred_at \(direction), id \(direction)",
            leading: sought.map { "\($0.column) \(direction)" },
            limit: limit
        )
        query.planning = isWide && (sought != nil || isByTimeAlone) ? .kept : .byIndex
        return query
    }

    /// What is asked for besides tenant and time, when that is the value of one indexed column.
    private var sought: (column: String, value: String)? {
        guard filter.type == nil, filter.source == nil, id == nil else { return nil }
        var values: [(column: String, value: String)] = []
        if let actor = filter.actor { values.append(("actor", actor)) }
        if let machine = filter.machine { values.append(("machine", machine)) }
        for places in fields {
            guard places.count == 1, case .slot(let slot, let text)? = places.first else { return nil }
            values.append(("k\(slot)", text))
        }
        return values.count == 1 ? values.first : nil
    }

    private var isByTimeAlone: Bool {
        filter.type == nil && filter.source == nil && filter.actor == nil && filter.machine == nil && id == nil && fields.isEmpty
    }

    private func addConditions(to builder: inout QueryBuilder) {
        if let id { builder.add("e.id = ?", key: "id") { $0.append(id.uuid) } }
        if let type = filter.type { builder.add("e.type = ?", key: "type") { $0.append(type) } }
        if let actor = filter.actor { builder.add("e.actor = ?", key: "actor") { $0.append(actor) } }
        if let machine = filter.machine { builder.add("e.machine = ?", key: "machine") { $0.append(machine) } }
        if let source = filter.source {
            builder.add(
                "e.source_id = (SELECT source_id FROM sluice.sources WHERE tenant_id = $1 AND slug = ?)",
                key: "source"
            ) { $0.append(source) }
        }
        for places in fields { builder.add(places: places) }
    }

    static func decode(_ row: Row) throws(PostgresError) -> StoredEvent {
        StoredEvent(
            id: EventID(try row.decode(0, as: UUIDBits.self)),
            occurredAt: try row.timestamp(1),
            receivedAt: try row.timestamp(2),
            source: try row.decodeIfPresent(3),
            schema: try row.decodeIfPresent(4),
            versionNumber: try row.decode(10),
            type: try row.decodeIfPresent(5),
            actor: try row.decodeIfPresent(6),
            machine: try row.decodeIfPresent(7),
            fields: try row.decode(8, as: JSONB.self).bytes,
            extra: try row.decode(9, as: JSONB.self).bytes
        )
    }
}

/// Collects conditions and their bindings; every `?` becomes the next `$n`.
struct QueryBuilder {
    private var name: String
    private var parts: [String] = []
    private var bindings = Bindings()
    private var count = 0
    /// Too many texts to keep them all prepared.
    private var isUnnamed = false

    init(name: String) {
        self.name = name
    }

    var conditions: String { parts.joined(separator: " AND ") }

    /// - Parameter key: tells this condition in the statement's name; empty for those that are always there.
    mutating func add(_ condition: String, key: String, bind: (inout Bindings) -> Void) {
        var text = ""
        for character in condition {
            if character == "?" {
                count += 1
                text += "$\(count)"
            } else {
                text.append(character)
            }
        }
        parts.append(text)
        if !key.isEmpty { name += ".\(key)" }
        bind(&bindings)
    }

    /// Tells in the statement's name what its text depends on besides the conditions.
    mutating func mark(_ key: String) {
        if !key.isEmpty { name += ".\(key)" }
    }

    /// Binds one value outside the conditions; its place.
    mutating func bind(_ bind: (inout Bindings) -> Void) -> String {
        count += 1
        bind(&bindings)
        return "$\(count)"
    }

    func query(_ sql: String) -> Query {
        Query(name: isUnnamed ? nil : name, sql: sql, bindings: bindings)
    }
}

extension QueryBuilder {
    /// The first of the events that match, as `SelectEvents.decode` reads them.
    ///
    /// - Parameter leading: a column of one value, and its direction, so that its index has the order.
    mutating func page(by order: String, leading: String? = nil, limit: Int) -> Query {
        let limitPlace = bind { $0.append(Int32(clamping: limit)) }
        return query(
            """
            SELECT p.id, p.occurred_at, p.received_at, s.slug, v.name || ' ' || v.version, p.type, p.actor, p.machine, p.fields, p.extra,
                   p.version_no
            FROM (
                SELECT e.tenant_id, e.source_id, e.version_no, e.id, e.occurred_at, e.received_at, e.type, e.actor, e.machine, e.fields, e.extra
                FROM sluice.events e
                WHERE \(conditions)
                ORDER BY \([leading, order].compactMap(\.self).joined(separator: ", "))
                LIMIT \(limitPlace)
            ) p
            LEFT JOIN sluice.sources s ON s.tenant_id = p.tenant_id AND s.source_id = p.source_id
            LEFT JOIN sluice.schemas v ON v.tenant_id = p.tenant_id AND v.version_no = p.version_no
            ORDER BY \(order)
            """
        )
    }

    /// Rows in one of these places; none when there is no place.
    mutating func add(places: [SchemaHistory.FieldQuery.Place]) {
        guard places.count != 1, !places.isEmpty else {
            guard let only = places.first else { return add("false", key: "none") { _ in } }
            return add(place: only)
        }
        isUnnamed = true
        var branches = QueryBuilder(name: "", count: count, bindings: bindings)
        for place in places { branches.add(place: place) }
        (count, bindings) = (branches.count, branches.bindings)
        parts.append("(" + branches.parts.joined(separator: " OR ") + ")")
    }

    private init(name: String, count: Int, bindings: Bindings) {
        self.name = name
        self.count = count
        self.bindings = bindings
    }

    private mutating func add(place: SchemaHistory.FieldQuery.Place) {
        switch place {
        case .slot(let slot, let text):
            add("e.k\(slot) = ?", key: "k\(slot)") { $0.append(text) }
        case .stored(let versions, let name, let json):
            add("(e.version_no = ANY (?::int4[]) AND e.fields -> ? @> ?)", key: "stored") {
                $0.append(versions)
                $0.append(name)
                $0.append(JSONB(json))
            }
        case .compared(let versions, let name, let isTime, let isLeast, let text):
            // CASE, because other versions may have something under that name which is no number and no time.
            let type = isTime ? "timestamptz" : "numeric"
            let key = "\(type).\(isLeast ? "min" : "max")"
            add(
                "CASE WHEN e.version_no = ANY (?::int4[]) THEN (e.fields ->> ?)::\(type) \(isLeast ? ">=" : "<=") ?::text::\(type) ELSE false END",
                key: key
            ) {
                $0.append(versions)
                $0.append(name)
                $0.append(text)
            }
        case .versions(let versions):
            add("e.version_no = ANY (?::int4[])", key: "versions") { $0.append(versions) }
        }
    }
}
