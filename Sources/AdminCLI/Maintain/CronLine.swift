import EventCore

/// A schedule of five fields, as cron(5) has them: minute, hour, day of the month, month, day of the week.
///
/// Numbers, `*`, ranges, lists, steps (`*/15`, `9-17/2`), and English names of months and weekdays; 0 and 7 are Sunday. Where both days are
/// restricted, either will do. **Times are UTC**: there every minute comes exactly once, while local clocks skip an hour in spring and repeat one
/// in autumn.
struct CronLine: Sendable, Equatable, CustomStringConvertible {
    let description: String
    private let minutes: Set<Int>
    private let hours: Set<Int>
    private let days: Set<Int>
    private let months: Set<Int>
    private let weekdays: Set<Int>
    private let isAnyDay: Bool
    private let isAnyWeekday: Bool

    /// What is wrong with a line.
    struct Invalid: Error, CustomStringConvertible {
        let description: String
    }

    init(_ line: String) throws(Invalid) {
        let fields = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).map { $0.lowercased() }
        guard fields.count == 5 else {
            throw Invalid(description: "five fields are wanted (minute hour day month weekday), like 30 2 * * *")
        }
        description = fields.joined(separator: " ")
        minutes = try CronField.minute.parse(fields[0])
        hours = try CronField.hour.parse(fields[1])
        days = try CronField.day.parse(fields[2])
        months = try CronField.month.parse(fields[3])
        weekdays = Set(try CronField.weekday.parse(fields[4]).map { $0 % 7 })
        isAnyDay = fields[2].hasPrefix("*")
        isAnyWeekday = fields[4].hasPrefix("*")
        guard previous(notAfter: Self.aFullCycleOn) != nil else {
            throw Invalid(description: "no such day ever comes: \(description)")
        }
    }

    /// The last time that it was due, now included.
    func previous(notAfter time: Timestamp) -> Timestamp? {
        search(from: CivilDay(of: time), step: -1) { $0 <= time }
    }

    /// The first time that it will be due.
    func next(after time: Timestamp) -> Timestamp? {
        search(from: CivilDay(of: time), step: 1) { $0 > time }
    }

    /// 1996-03-01 and later: eight years before it hold the 29th of February on several weekdays.
    private static let aFullCycleOn = Timestamp(microsecondsSince1970: 825_638_400_000_000)
    /// From one 29th of February to the next there are eight years at most (1896 to 1904).
    private static let longestWait = 366 * 8 + 2

    private func search(from start: CivilDay, step: Int64, _ fits: (Timestamp) -> Bool) -> Timestamp? {
        var day = start
        let forwards = step > 0
        for _ in 0...Self.longestWait {
            if includes(day) {
                for hour in hours.sorted(by: forwards ? (<) : (>)) {
                    for minute in minutes.sorted(by: forwards ? (<) : (>)) {
                        let seconds = day.number * 86_400 + Int64(hour * 3_600 + minute * 60)
                        let time = Timestamp(microsecondsSince1970: seconds * 1_000_000)
                        if fits(time) { return time }
                    }
                }
            }
            day = CivilDay(number: day.number + step)
        }
        return nil
    }

    private func includes(_ day: CivilDay) -> Bool {
        let date = day.monthAndDay
        guard months.contains(date.month) else { return false }
        let (isDay, isWeekday) = (days.contains(date.day), weekdays.contains(day.weekday))
        return isAnyDay || isAnyWeekday ? isDay && isWeekday : isDay || isWeekday
    }
}

/// One field of a line: what it may hold.
struct CronField: Sendable {
    let name: String
    let range: ClosedRange<Int>
    var words: [String] = []

    static let minute = CronField(name: "minute", range: 0...59)
    static let hour = CronField(name: "hour", range: 0...23)
    static let day = CronField(name: "day", range: 1...31)
    static let month = CronField(
        name: "month",
        range: 1...12,
        words: ["", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    )
    static let weekday = CronField(name: "weekday", range: 0...7, words: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"])

    func parse(_ text: String) throws(CronLine.Invalid) -> Set<Int> {
        var values: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let halves = part.split(separator: "/", omittingEmptySubsequences: false)
            guard halves.count <= 2, let body = halves.first else { throw invalid(text) }
            var step = 1
            if halves.count == 2 {
                guard let number = Int(halves[1]), (1...range.upperBound + 1).contains(number) else { throw invalid(text) }
                step = number
            }
            let span = try span(body, text, isStepped: halves.count == 2)
            values.formUnion(stride(from: span.lowerBound, through: span.upperBound, by: step))
        }
        return values
    }

    private func span(_ body: Substring, _ text: String, isStepped: Bool) throws(CronLine.Invalid) -> ClosedRange<Int> {
        if body == "*" { return range }
        let ends = body.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2, let first = ends.first, let low = number(first) else { throw invalid(text) }
        guard ends.count == 2 else {
            // 5/15 means from 5 on.
            return isStepped ? low...range.upperBound : low...low
        }
        guard let high = number(ends[1]), low <= high else { throw invalid(text) }
        return low...high
    }

    private func number(_ text: Substring) -> Int? {
        if let place = words.firstIndex(of: String(text)), !text.isEmpty { return place }
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let number = Int(text) else {
            return nil
        }
        return range.contains(number) ? number : nil
    }

    private func invalid(_ text: String) -> CronLine.Invalid {
        CronLine.Invalid(description: "\(text) is no \(name): \(range.lowerBound) to \(range.upperBound), *, 1-5, 1,3 or */2")
    }
}
