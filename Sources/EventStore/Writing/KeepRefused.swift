import EventCore
import Postgres

/// A quarantined record of a batch, and where its outcome belongs.
struct RefusedItem: Sendable {
    let submission: LaneQueue.SubmissionID
    let record: Int
    let refused: QuarantinedRecord

    func settled(isKept: Bool) -> LaneQueue.Settled {
        let reason = refused.reason
        return LaneQueue.Settled(
            submission: submission,
            record: record,
            outcome: isKept ? .quarantined(reason) : .quarantineFull(reason)
        )
    }
}

/// The refused records of a batch that are one row: the same bytes from the same place, once or often.
struct RefusedGroup: Sendable {
    private(set) var items: [RefusedItem]

    /// The last of them: what is remembered of the row besides its bytes.
    var last: QuarantinedRecord { items[items.count - 1].refused }

    private struct Key: Hashable {
        let source: SourceID?
        let slug: String?
        let profile: SenderProfile?
        let body: [UInt8]
    }

    /// Each tenant's groups, in the order in which their first records came.
    static func grouped(_ items: [RefusedItem]) -> [[RefusedGroup]] {
        var tenants: [TenantID] = []
        var groups: [TenantID: [RefusedGroup]] = [:]
        var places: [TenantID: [Key: Int]] = [:]
        for item in items {
            let refused = item.refused
            let key = Key(source: refused.source, slug: refused.sourceSlug, profile: refused.profile, body: refused.body)
            if groups[refused.tenant] == nil { tenants.append(refused.tenant) }
            if let place = places[refused.tenant]?[key] {
                groups[refused.tenant]?[place].items.append(item)
            } else {
                places[refused.tenant, default: [:]][key] = groups[refused.tenant]?.count ?? 0
                groups[refused.tenant, default: []].append(RefusedGroup(items: [item]))
            }
        }
        return tenants.compactMap { groups[$0] }
    }
}

/// Puts one tenant's records into quarantine; says of each group, by its place from 1, whether there was room.
struct KeepRefused: Statement {
    static let name = "keep_refused"
    static let sql = """
        SELECT number, kept
        FROM sluice.keep_refused($1::int4[], $2::uuid[], $3::timestamptz[], $4::int4[], $5::int4[],
                                 $6::text[], $7::text[], $8::text[], $9::bytea[], $10::text[], $11::text[], $12::text[], $13::int4[])
        """

    let groups: [RefusedGroup]

    func bind(_ bindings: inout Bindings) {
        bindings.appendArray(of: Int32.self, groups) { $0.last.tenant.rawValue }
        bindings.appendArray(of: UUIDBits.self, groups) { $0.last.id.uuid }
        bindings.appendArray(of: TimestampTZ.self, groups) { $0.last.receivedAt.timestamptz }
        bindings.appendArray(of: Int32.self, groups) { $0.last.source?.rawValue }
        bindings.appendArray(of: Int32.self, groups) { $0.last.versionNumber }
        bindings.appendArray(of: String.self, groups) { $0.last.reason.code }
        bindings.appendArray(of: String.self, groups) { $0.last.reason.pointer.map(Self.storable) }
        bindings.appendArray(of: String.self, groups) { Self.storable($0.last.reason.detail) }
        bindings.appendArray(of: Bytea.self, groups) { Bytea($0.last.body) }
        bindings.appendArray(of: String.self, groups) { $0.last.profile?.rawValue }
        bindings.appendArray(of: String.self, groups) { $0.last.requestID }
        bindings.appendArray(of: String.self, groups) { $0.last.sourceSlug }
        bindings.appendArray(of: Int32.self, groups) { Int32(clamping: $0.items.count) }
    }

    static func decode(_ row: Row) throws(PostgresError) -> (number: Int, isKept: Bool) {
        (Int(try row.decode(0, as: Int32.self)), try row.decode(1))
    }

    /// A pointer may name a member whose key holds the NUL character, which PostgreSQL's text cannot.
    static func storable(_ text: String) -> String {
        guard text.utf8.contains(0) else { return text }
        return String(text.unicodeScalars.map { $0.value == 0 ? "\u{FFFD}" : Character($0) })
    }
}
