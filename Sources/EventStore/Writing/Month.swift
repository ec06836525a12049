import EventCore
import Postgres

/// A UTC month, as its first day.
struct Month: Hashable, Sendable {
    /// Days from 1970-01-01 to the month's first.
    let firstDay: Int32

    init(of time: Timestamp) {
        let microsecondsADay: Int64 = 86_400_000_000
        let day = time.microsecondsSince1970 / microsecondsADay - (time.microsecondsSince1970 % microsecondsADay < 0 ? 1 : 0)
        firstDay = Int32(clamping: day - Self.dayOfMonth(day) + 1)
    }

    /// 1 … 31, by the proleptic Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    private static func dayOfMonth(_ daysSince1970: Int64) -> Int64 {
        let shifted = daysSince1970 + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        return dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    }

    /// The start of the month that is `months` before this one (0: its own).
    func start(monthsBack months: Int) -> Timestamp {
        var month = self
        for _ in 0..<max(0, months) {
            month = Month(of: Timestamp(microsecondsSince1970: Int64(month.firstDay - 1) * 86_400_000_000))
        }
        return Timestamp(microsecondsSince1970: Int64(month.firstDay) * 86_400_000_000)
    }

    /// The start of the month that is `months` after this one (0: its own).
    func start(monthsOn months: Int) -> Timestamp {
        var month = self
        for _ in 0..<max(0, months) {
            // The 32nd of a month is in the next one.
            month = Month(of: Timestamp(microsecondsSince1970: (Int64(month.firstDay) + 31) * 86_400_000_000))
        }
        return Timestamp(microsecondsSince1970: Int64(month.firstDay) * 86_400_000_000)
    }
}

/// What `sluice.ensure_month` says.
enum MonthAnswer: String, Sendable {
    case ready, unavailable
    case outOfRange = "out_of_range"
}

struct EnsureMonth: Statement {
    static let name = "ensure_month"
    static let sql = "SELECT sluice.ensure_month($1, $2)"

    let tenant: TenantID
    let month: Month

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(CalendarDate(daysSince1970: month.firstDay))
    }

    static func decode(_ row: Row) throws(PostgresError) -> MonthAnswer {
        try row.decodeEnum(0)
    }
}

struct EnsurePlannedMonths: Statement {
    static let name = "ensure_planned_months"
    static let sql = "SELECT sluice.ensure_planned_months()"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> Int32 {
        try row.decode(0)
    }
}
