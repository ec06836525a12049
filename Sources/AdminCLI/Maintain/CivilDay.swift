import EventCore

/// A day of the calendar, UTC.
struct CivilDay: Sendable, Equatable {
    static let microseconds: Int64 = 86_400_000_000

    /// From 1970-01-01.
    let number: Int64

    init(number: Int64) {
        self.number = number
    }

    init(of time: Timestamp) {
        let microseconds = time.microsecondsSince1970
        number = microseconds / Self.microseconds - (microseconds % Self.microseconds < 0 ? 1 : 0)
    }

    /// 0 is Sunday; 1970-01-01 was a Thursday.
    var weekday: Int { Int((number % 7 + 11) % 7) }

    /// By the proleptic Gregorian calendar (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    var monthAndDay: (month: Int, day: Int) {
        let shifted = number + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        return (Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9), Int(day))
    }
}
