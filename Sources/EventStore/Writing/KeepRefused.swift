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

/// Puts records into quarantine; says of each, by its place from 1, whether there was room.
struct KeepRefused: Statement {
    static let name = "keep_refused"
    static let sql = """
        SELECT number, kept
        FROM sluice.keep_refused($1::int4[], $2::uuid[], $3::timestamptz[], $4::int4[], $5::int4[],
                                 $6::text[], $7::text[], $8::text[], $9::bytea[], $10::text[], $11::text[], $12::text[])
        """

    let items: [RefusedItem]

    func bind(_ bindings: inout Bindings) {
        bindings.appendArray(of: Int32.self, items) { $0.refused.tenant.rawValue }
        bindings.appendArray(of: UUIDBits.self, items) { $0.refused.id.uuid }
        bindings.appendArray(of: TimestampTZ.self, items) { $0.refused.receivedAt.timestamptz }
        bindings.appendArray(of: Int32.self, items) { $0.refused.source?.rawValue }
        bindings.appendArray(of: Int32.self, items) { $0.refused.versionNumber }
        bindings.appendArray(of: String.self, items) { $0.refused.reason.code }
        bindings.appendArray(of: String.self, items) { $0.refused.reason.pointer.map(Self.storable) }
        bindings.appendArray(of: String.self, items) { Self.storable($0.refused.reason.detail) }
        bindings.appendArray(of: Bytea.self, items) { Bytea($0.refused.body) }
        bindings.appendArray(of: String.self, items) { $0.refused.profile?.rawValue }
        bindings.appendArray(of: String.self, items) { $0.refused.requestID }
        bindings.appendArray(of: String.self, items) { $0.refused.sourceSlug }
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
