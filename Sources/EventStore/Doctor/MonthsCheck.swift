import Postgres

/// Are the coming months' partitions made, and is there room for more.
struct MonthsCheck: DoctorCheck {
    let name = "months"

    /// As many as there may be (`sluice.ensure_month`).
    private static let most = 120

    func run(on connection: Connection, deadline: ContinuousClock.Instant) async throws -> [CheckResult] {
        let months = try await connection.examine(ComingMonths(), deadline: deadline)
        let missing = months.filter { !$0.isThere }
        let known = Int(months.first?.known ?? 0)
        var results: [CheckResult] = []
        if missing.isEmpty {
            results.append(CheckResult(name, .ok, "partitions are made to two months ahead, \(known) of \(Self.most) months exist"))
        } else {
            let isUrgent = missing.contains { $0.ahead <= 1 }
            let names = missing.map(\.partition).joined(separator: ", ")
            results.append(
                CheckResult(name, isUrgent ? .fail : .warn, "not there: \(names)", advice: "run sluice migrate, or start the API")
            )
        }
        if known >= Self.most - 12 {
            results.append(
                CheckResult(name, .warn, "\(known) of \(Self.most) months exist", advice: "shorten retention, so that old months can go")
            )
        }
        return results
    }
}

struct ComingMonths: Statement {
    static let name = "coming_months"
    static let sql = """
        SELECT parent || '_' || to_char(month, 'YYYY_MM'), ahead, sluice.has_partition(parent, month::date),
               (SELECT count(*) FROM sluice.months)
        FROM unnest(ARRAY['events', 'quarantine']) parent, generate_series(0, 2) ahead,
             date_trunc('month', (now() AT TIME ZONE 'UTC') + make_interval(months => ahead)) month
        ORDER BY ahead, parent
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> (partition: String, ahead: Int32, isThere: Bool, known: Int64) {
        (try row.decode(0), try row.decode(1), try row.decode(2), try row.decode(3))
    }
}
