import EventCore

/// A UTC month, counted from that of 1970-01-01.
package struct CalendarMonth: Hashable, Sendable {
    package let number: Int

    package init(number: Int) {
        self.number = number
    }
}

/// UTC months without a calendar: by the proleptic Gregorian one (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
package enum MonthClock {
    private static let microsecondsADay: Int64 = 86_400_000_000

    /// The month of an instant, and how long it still takes.
    static func month(of time: Timestamp) -> (month: CalendarMonth, rest: Duration) {
        let (day, within) = time.microsecondsSince1970.quotientAndRemainder(dividingBy: microsecondsADay)
        let month = CalendarMonth(number: monthNumber(within < 0 ? day - 1 : day))
        let next = Int64(firstDay(of: CalendarMonth(number: month.number + 1)))
        // 32 days at most, whatever the time: within 64 bits of microseconds.
        return (month, .microseconds((next - day) * microsecondsADay - within))
    }

    /// Days from 1970-01-01 to the month's first.
    package static func firstDay(of month: CalendarMonth) -> Int {
        let years = floorDivide(month.number, 12)
        let shifted = month.number - years * 12 + 10
        let year = 1970 + years - (shifted < 12 ? 1 : 0)
        let era = floorDivide(year, 400)
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (shifted % 12) + 2) / 5
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// The month that begins that many days after 1970-01-01.
    package static func month(startingAt day: Int) -> CalendarMonth { CalendarMonth(number: monthNumber(Int64(day))) }

    private static func monthNumber(_ day: Int64) -> Int {
        let shifted = Int(day) + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        // 0 is March.
        let month = (5 * dayOfYear + 2) / 153
        return (era * 400 + yearOfEra - 1970) * 12 + month + 2
    }

    private static func floorDivide(_ value: Int, _ by: Int) -> Int {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: by)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
