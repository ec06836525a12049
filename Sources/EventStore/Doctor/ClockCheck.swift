import EventCore
import Postgres

/// Do this machine and PostgreSQL agree on the time: what an event may be dated, and when a key expires, is each one's own now.
struct ClockCheck: DoctorCheck {
    let name = "clock"

    func run(on connection: Connection, deadline: ContinuousClock.Instant) async throws -> [CheckResult] {
        let before = Timestamp.now().microsecondsSince1970
        guard let theirs = try await connection.execute(ServerClock(), deadline: deadline).first else {
            throw StoreError(.notReady, "PostgreSQL does not say what time it is")
        }
        let after = Timestamp.now().microsecondsSince1970
        // What they said lies between: the way there and back is no difference.
        let theirTime = theirs.microsecondsSince1970
        let difference = max(before - theirTime, theirTime - after, 0)
        let text = "\(difference / 1000) ms from PostgreSQL's"
        switch difference {
        case ...2_000_000: return [CheckResult(name, .ok, text)]
        case ...60_000_000: return [CheckResult(name, .warn, text, advice: "let both machines keep time by NTP")]
        default: return [CheckResult(name, .fail, text, advice: "let both machines keep time by NTP")]
        }
    }
}

struct ServerClock: Statement {
    static let name = "server_clock"
    static let sql = "SELECT clock_timestamp()"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> Timestamp {
        try row.timestamp(0)
    }
}
