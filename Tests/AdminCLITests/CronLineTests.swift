import EventCore
import EventStore
import Testing

@testable import AdminCLI

@Suite struct CronLineTests {
    private func time(_ text: String) throws -> Timestamp { try #require(Timestamp(rfc3339: text)) }

    @Test(arguments: [
        ("30 2 * * *", "2026-11-21T02:29:59Z", "2026-11-21T02:30:00Z"),
        ("30 2 * * *", "2026-11-21T02:30:00Z", "2026-11-22T02:30:00Z"),
        ("*/15 * * * *", "2026-12-31T23:46:00Z", "2027-01-01T00:00:00Z"),
        ("5/20 9-17 * * mon-fri", "2026-11-20T17:45:00Z", "2026-11-23T09:05:00Z"),
        ("0 0 1 * *", "2026-11-21T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("0 12 29 feb *", "2026-01-01T00:00:00Z", "2028-02-29T12:00:00Z"),
        ("0 12 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T12:00:00Z"),
        // Both days restricted: either.
        ("0 0 13 * fri", "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"),
        ("0 0 13 * 5", "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z"),
        ("0 0 * * 7", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"),
        ("0 0 * * 0", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"),
        ("59 23 31 12 *", "2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z"),
    ])
    func tellsWhenItIsDueNext(line: String, after: String, expected: String) throws {
        let cron = try CronLine(line)
        let next = try #require(cron.next(after: try time(after)))
        #expect(next == (try time(expected)), "\(next.rfc3339())")
        #expect(cron.previous(notAfter: next) == next)
        #expect(try #require(cron.previous(notAfter: try time(after))) <= (try time(after)))
    }

    /// On the nights that European and American clocks change, each hour comes once, for times are UTC.
    @Test(arguments: ["2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01"])
    func comesOnceANightWhenLocalClocksChange(night: String) throws {
        let cron = try CronLine("30 1,2 * * *")
        var due: [Timestamp] = []
        var now = try time("\(night)T00:00:00Z")
        let end = try time("\(night)T23:59:00Z")
        while let next = cron.next(after: now), next <= end {
            due.append(next)
            now = next
        }
        #expect(due.map { $0.rfc3339() } == [try time("\(night)T01:30:00Z").rfc3339(), try time("\(night)T02:30:00Z").rfc3339()])
    }

    @Test(arguments: [
        "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * 0 *", "* * * * 8",
        "a * * * *",
        "1- * * * *", "-1 * * * *", "5-1 * * * *", "*/0 * * * *", "*/ * * * *", "1/2/3 * * * *", "1,,2 * * * *", ", * * * *", "* * 30 2 *",
        "* * 31 4,6 *", "@daily", "99999999999999999999 * * * *", "+1 * * * *", "* * * feb-jan *", "1.5 * * * *", "*5 * * * *",
    ])
    func refusesALineThatIsNone(line: String) {
        #expect(throws: CronLine.Invalid.self) { try CronLine(line) }
    }

    @Test func runsWhatIsDueOnceHoweverManyLookAtIt() throws {
        let schedule = MaintenanceSchedule.cron(try CronLine("30 2 * * *"))
        let start = try time("2026-11-20T12:00:00Z")
        func record(_ started: String, finished: String?, succeeded: Bool) throws -> MaintenanceRecord {
            let begun = try time(started)
            return MaintenanceRecord(
                task: "backup",
                startedAt: begun,
                finishedAt: try finished.map { try time($0) },
                succeededAt: succeeded ? begun : nil
            )
        }
        #expect(!schedule.isDue(last: nil, now: start, start: start), "what was due before is not made up for")
        #expect(!schedule.isDue(last: nil, now: try time("2026-11-21T02:29:59Z"), start: start))
        #expect(schedule.isDue(last: nil, now: try time("2026-11-21T02:30:10Z"), start: start))
        let done = try record("2026-11-21T02:30:10Z", finished: "2026-11-21T02:40:00Z", succeeded: true)
        #expect(!schedule.isDue(last: done, now: try time("2026-11-21T02:30:20Z"), start: start), "another daemon")
        #expect(!schedule.isDue(last: done, now: try time("2026-11-22T02:29:00Z"), start: start))
        #expect(schedule.isDue(last: done, now: try time("2026-11-22T02:31:00Z"), start: start))
        // Missed by a night without any daemon, known from the database: made up for once.
        #expect(schedule.isDue(last: done, now: try time("2026-11-22T09:00:00Z"), start: try time("2026-11-22T08:59:00Z")))
        let failed = try record("2026-11-21T02:30:10Z", finished: "2026-11-21T02:31:00Z", succeeded: false)
        #expect(!schedule.isDue(last: failed, now: try time("2026-11-21T02:40:00Z"), start: start))
        #expect(schedule.isDue(last: failed, now: try time("2026-11-21T02:46:00Z"), start: start))
        let hourly = MaintenanceSchedule.every(seconds: 3_600)
        #expect(hourly.isDue(last: nil, now: start, start: start))
        #expect(!hourly.isDue(last: done, now: try time("2026-11-21T03:30:00Z"), start: start))
        #expect(hourly.isDue(last: done, now: try time("2026-11-21T03:30:10Z"), start: start))
    }
}
