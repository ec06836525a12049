import ArgumentParser
import EventCore
import Testing

@testable import AdminCLI

/// How operators write times and lengths of time, the same for all commands.
@Suite struct TimeArgumentTests {
    private let now = Timestamp(rfc3339: "2026-11-07T10:00:00Z") ?? Timestamp(microsecondsSince1970: 0)

    @Test(arguments: [
        ("2026-11-06T17:04:31+01:00", "2026-11-06T16:04:31Z"), ("2026-11-06", "2026-11-06T00:00:00Z"),
        ("2026-11-06T17:04:31", "2026-11-06T17:04:31Z"), ("24h", "2026-11-06T10:00:00Z"),
        ("7d", "2026-10-31T10:00:00Z"), ("30m", "2026-11-07T09:30:00Z"), ("0s", "2026-11-07T10:00:00Z"),
    ])
    func readsATime(text: String, time: String) {
        #expect(Instant(text, now: now)?.time.rfc3339() == time)
    }

    @Test func nothingLiesBetweenALaterTimeAndAnEarlierOne() throws {
        try Instant.check(from: Instant("7d", now: now), to: Instant("24h", now: now))
        try Instant.check(from: Instant("7d", now: now), to: nil)
        #expect(throws: ValidationError.self) { try Instant.check(from: Instant("24h", now: now), to: Instant("7d", now: now)) }
        #expect(throws: ValidationError.self) { try Instant.check(from: Instant("24h", now: now), to: Instant("24h", now: now)) }
    }

    @Test(arguments: [
        "", "d", "7", "-7d", "+7d", "7w", "7 d", "1e3d", "٧d", "36501d", "9223372036854775807s", "2026-11-31", "now",
    ])
    func refusesWhatIsNoTime(text: String) {
        #expect(Instant(text, now: now) == nil)
    }

    @Test(arguments: [
        ("90d", 7_776_000, "90d"), ("24h", 86_400, "1d"), ("90m", 5_400, "90m"), ("0s", 0, "0d"), ("36500d", 3_153_600_000, "36500d"),
    ])
    func readsALengthOfTime(text: String, seconds: Int64, shown: String) {
        let span = TimeSpan(argument: text)
        #expect(span?.seconds == seconds && span?.description == shown)
    }
}
