package import Access
import EventCore
import Postgres

/// Tells the database what replicas count in memory: stored events, used keys, senders of superseded keys.
///
/// When it cannot be told, the counts stay for the next time. A count whose reply was lost is told twice: these are meters, and
/// the limit for a month is soft by what the replicas store between two tellings.
package struct UsageStore: Sendable {
    private static let batch = 1000
    private let database: Database

    package init(_ database: Database) {
        self.database = database
    }

    /// Adds what this replica stored to the tenants' months, and learns what the others did.
    package func tellStored(of limiter: Limiter, deadline: ContinuousClock.Instant) async throws {
        var rest = limiter.takeUnsaved()[...]
        while !rest.isEmpty {
            do {
                for total in try await database.call(AddStoredEvents(stored: Array(rest.prefix(Self.batch))), deadline: deadline) {
                    limiter.note(total)
                }
            } catch {
                limiter.putBack(Array(rest))
                throw error
            }
            rest = rest.dropFirst(Self.batch)
        }
    }

    /// When keys were used last, and by whom those that are superseded.
    package func tellUse(_ usage: KeyUsage, deadline: ContinuousClock.Instant) async throws {
        let report = usage.takeReport()
        do {
            let used = Array(report.lastUsed)
            for start in stride(from: 0, to: used.count, by: Self.batch) {
                _ = try await database.call(NoteKeyUse(used: used[start...].prefix(Self.batch)), deadline: deadline)
            }
            for start in stride(from: 0, to: report.senders.count, by: Self.batch) {
                _ = try await database.call(NoteKeySenders(uses: report.senders[start...].prefix(Self.batch)), deadline: deadline)
            }
        } catch {
            usage.putBack(report)
            throw error
        }
    }
}

struct AddStoredEvents: Statement {
    static let name = "add_stored_events"
    static let sql = "SELECT tenant_id, month, stored FROM sluice.add_stored_events($1, $2, $3)"

    let stored: [Limiter.Stored]

    func bind(_ bindings: inout Bindings) {
        bindings.append(stored.map(\.tenant.rawValue))
        bindings.append(stored.map { CalendarDate(daysSince1970: Int32(clamping: MonthClock.firstDay(of: $0.month))) })
        bindings.append(stored.map { Int64($0.count) })
    }

    static func decode(_ row: Row) throws(PostgresError) -> Limiter.Stored {
        Limiter.Stored(
            tenant: TenantID(rawValue: try row.decode(0)),
            month: MonthClock.month(startingAt: Int(try row.decode(1, as: CalendarDate.self).daysSince1970)),
            count: Int(clamping: try row.decode(2, as: Int64.self))
        )
    }
}

struct NoteKeyUse: Statement {
    static let name = "note_key_use"
    static let sql = "SELECT sluice.note_key_use($1, $2)"

    let used: ArraySlice<(key: KeyID, value: Timestamp)>

    func bind(_ bindings: inout Bindings) {
        bindings.append(used.map(\.key.text))
        bindings.append(used.map(\.value.timestamptz))
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

struct NoteKeySenders: Statement {
    static let name = "note_key_senders"
    static let sql = "SELECT sluice.note_key_senders($1, $2, $3, $4)"

    let uses: ArraySlice<KeyUsage.SenderUse>

    func bind(_ bindings: inout Bindings) {
        bindings.append(uses.map(\.key.text))
        bindings.append(uses.map(\.sender))
        bindings.append(uses.map { Int64($0.count) })
        bindings.append(uses.map(\.lastSeen.timestamptz))
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}
