import EventCore
import Postgres

/// Begins a transaction of a lane: its role, how long it waits for a row that another transaction holds, and its number,
/// known before anything else of it happens, so that its fate can be asked for later.
struct EnterLane: Statement {
    static let name = "enter_lane"
    static let sql = """
        SELECT pg_current_xact_id()::text, set_config('role', $1, true), set_config('lock_timeout', $2, true)
        """

    let role: Role
    let lockWait: Duration

    func bind(_ bindings: inout Bindings) {
        bindings.append(role.rawValue)
        bindings.append("\(Int64(lockWait / .milliseconds(1)))ms")
    }

    static func decode(_ row: Row) throws(PostgresError) -> String { try row.decode(0) }
}

struct TransactionFate: Statement {
    static let name = "transaction_fate"
    static let sql = "SELECT pg_xact_status($1::text::xid8)"

    let number: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(number)
    }

    /// `committed`, `aborted`, `in progress`; nil when it is too long ago to be known.
    static func decode(_ row: Row) throws(PostgresError) -> String? { try row.decodeIfPresent(0) }
}

/// The tries of a batch whose reply to COMMIT was lost.
///
/// After such a try the batch is simply written again: whatever became of the first try, afterwards the rows are there. Only
/// whether they are *new* hangs on the first try, and so on its transaction's fate. That must never decide whether a row is
/// there at all: a server that crashed may give a number out twice, when nothing of its first use had reached the disk.
struct CommitDoubts {
    enum Finding {
        case new, known, unknowable
    }

    private struct Try {
        let number: String?
        /// The rows that it inserted; nil when that did not arrive either.
        var inserted: Set<EventKey>?
        var isResolved = false
        var isCommitted = false
    }

    private var tries: [Try] = []

    mutating func add(number: String?, inserted: [EventKey]?) {
        tries.append(Try(number: number, inserted: inserted.map { Set($0) }))
    }

    /// The transactions whose fate is to be asked for.
    var unresolved: [(place: Int, number: String)] {
        tries.enumerated().compactMap { place, attempt in
            attempt.isResolved ? nil : attempt.number.map { (place, $0) }
        }
    }

    /// - Parameter fate: as `pg_xact_status` has it. One still in progress holds no row of ours: those could not have been written again.
    mutating func resolve(_ place: Int, fate: String?) {
        tries[place].isCommitted = fate == "committed"
        tries[place].isResolved = fate != nil
    }

    /// Whether a row that was there when the batch was written again is one that a try before had inserted.
    mutating func finding(_ key: EventKey) -> Finding {
        var finding = Finding.known
        for place in tries.indices {
            let attempt = tries[place]
            if attempt.isResolved, !attempt.isCommitted { continue }
            guard let inserted = attempt.inserted else {
                finding = .unknowable
                continue
            }
            guard inserted.contains(key) else { continue }
            guard attempt.isResolved else { return .unknowable }
            // The same event a second time in the batch is a duplicate.
            tries[place].inserted?.remove(key)
            return .new
        }
        return finding
    }
}
