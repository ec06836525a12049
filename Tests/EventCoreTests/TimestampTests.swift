import Testing

@testable import EventCore

@Suite struct TimestampTests {
    @Test(
        arguments: [
            ("2026-11-06T17:04:31Z", "2026-11-06T17:04:31Z"), ("2026-11-06t17:04:31z", "2026-11-06T17:04:31Z"),
            ("2026-11-06 17:04:31", "2026-11-06T17:04:31Z"), ("2026-11-06T17:04:31", "2026-11-06T17:04:31Z"),
            ("2026-11-06T17:04:31.5", "2026-11-06T17:04:31.500Z"), ("2026-11-06T17:04:31.120Z", "2026-11-06T17:04:31.120Z"),
            ("2026-11-06T17:04:31.1234Z", "2026-11-06T17:04:31.123400Z"), ("2026-11-06T17:04:31.123456789Z", "2026-11-06T17:04:31.123456Z"),
            ("2026-11-06T17:04:31.000Z", "2026-11-06T17:04:31Z"), ("2026-11-06T17:04:31.0000009Z", "2026-11-06T17:04:31Z"),
            ("2026-11-06T18:04:31+01:00", "2026-11-06T17:04:31Z"), ("2026-11-06T11:34:31-05:30", "2026-11-06T17:04:31Z"),
            ("2026-11-06T17:04:31-00:00", "2026-11-06T17:04:31Z"), ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"), ("2000-02-29T12:00:00Z", "2000-02-29T12:00:00Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"), ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z"), ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"), ("2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.500Z"),
            ("2017-01-01T00:59:60+01:00", "2017-01-01T00:00:00Z"),
        ]
    )
    func reads(text: String, canonical: String) {
        #expect(Timestamp(rfc3339: text)?.rfc3339() == canonical)
        #expect(Timestamp(rfc3339: Array(text.utf8)[...]) == Timestamp(rfc3339: text))
        #expect(Timestamp(rfc3339: canonical) == Timestamp(rfc3339: text))
    }

    @Test(
        arguments: [
            "", "yesterday", "2026-11-06", "2026-11-06T17:04Z", "2026-02-30T00:00:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
            "2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T12:00:60Z", "2016-12-31T23:59:60+01:00", "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:60Z", "10000-01-01T00:00:00Z",
            "-001-01-01T00:00:00Z",
            "2026-11-06T17:04:31.Z", "2026-11-06T17:04:31,5Z", "2026-11-06T17:04:31+0100", "2026-11-06T17:04:31+01",
            "2026-11-06T17:04:31+24:00",
            "2026-11-06T17:04:31+01:60", "2026-11-06T17:04:31Zz", "2026-11-06T17:04:31 Z", " 2026-11-06T17:04:31Z", "2026-11-06T17:04:31Z ",
            "2026-1-06T17:04:31Z", "2026/11/06T17:04:31Z", "2026-11-06_17:04:31Z", "2026-11-06T17:04:31+", "２026-11-06T17:04:31Z",
            "2026-11-06T17:04:31.00000000000000000000000000000000000000000000000000000000000Z",
        ]
    )
    func refuses(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test func knowsTheUnixEpoch() {
        #expect(Timestamp(rfc3339: "1970-01-01T00:00:00Z")?.microsecondsSince1970 == 0)
        #expect(Timestamp(rfc3339: "2026-11-06T17:04:31.000001Z")?.microsecondsSince1970 == 1_793_984_671_000_001)
    }

    @Test func everyDayOfFourCenturiesRoundTrips() {
        for day in stride(from: -146_097, to: 146_097, by: 1) {
            let timestamp = Timestamp.epoch.adding(days: day)
            #expect(Timestamp(rfc3339: timestamp.rfc3339()) == timestamp)
        }
    }

    @Test func addsDaysWithoutOverflow() {
        #expect(Fixture.now.adding(days: 1).microsecondsSince1970 - Fixture.now.microsecondsSince1970 == 86_400_000_000)
        #expect(Fixture.now.adding(days: .max).microsecondsSince1970 == .max)
        #expect(Fixture.now.adding(days: .min).microsecondsSince1970 == .min)
    }

    @Test func writesAnyInstantWithoutTrapping() {
        for microseconds in [Int64.min, .min + 1, -1, 0, .max] {
            #expect(Timestamp(microsecondsSince1970: microseconds).rfc3339().hasSuffix("Z"))
        }
    }

    @Test(
        arguments: [
            ("1793979045", .seconds, "2026-11-06T15:30:45Z"), ("1793979045.123", .seconds, "2026-11-06T15:30:45.123Z"),
            ("1793979045123", .milliseconds, "2026-11-06T15:30:45.123Z"), ("1793979045.1234567", .seconds, "2026-11-06T15:30:45.123456Z"),
            ("1.793979045e9", .seconds, "2026-11-06T15:30:45Z"), ("0", .seconds, "1970-01-01T00:00:00Z"),
            ("-1.5", .seconds, "1969-12-31T23:59:58.500Z"),
            ("0.0000001", .seconds, "1970-01-01T00:00:00Z"), ("1e30", .seconds, nil), ("1e-30", .seconds, "1970-01-01T00:00:00Z"),
            ("253402300799.999999", .seconds, "9999-12-31T23:59:59.999999Z"), ("253402300800", .seconds, nil),
            ("-62135596801", .seconds, nil),
            ("9999999999999999999999", .milliseconds, nil),
        ] as [(String, TimestampUnit, String?)]
    )
    func readsUnixTime(number: String, unit: TimestampUnit, expected: String?) throws {
        #expect(unit.timestamp(try #require(DecimalNumber(number)))?.rfc3339() == expected)
    }

    @Test func theWindowStartsWithRetentionAndEndsTomorrow() {
        let window = Fixture.window
        #expect(window.contains(Fixture.now.adding(days: -90)))
        #expect(!window.contains(Timestamp(microsecondsSince1970: Fixture.now.adding(days: -90).microsecondsSince1970 - 1)))
        #expect(window.contains(Fixture.now.adding(days: 1)))
        #expect(!window.contains(Timestamp(microsecondsSince1970: Fixture.now.adding(days: 1).microsecondsSince1970 + 1)))
        #expect(AcceptanceWindow(now: Fixture.now, retentionDays: .max).earliest == .epoch)
        #expect(AcceptanceWindow(now: Fixture.now, retentionDays: .min).earliest == Fixture.now)
    }

    @Test(
        arguments: [
            "2026-11-06T17:04:31Z", "2026-11-06T17:04:31.5Z", "2026-11-06T17:04:31.500Z", "2026-11-06T17:04:31.000Z",
            "2026-11-06T17:04:31.001Z",
            "2026-11-06T17:04:31.000001Z", "2026-11-06T17:04:31.123000Z", "2026-11-06T17:04:31.123456Z", "2026-11-06T17:04:31.1234567Z",
            "2026-11-06 17:04:31Z", "2026-11-06t17:04:31Z", "2026-11-06T17:04:31z", "2026-11-06T17:04:31", "2026-11-06T17:04:31+00:00",
            "2016-12-31T23:59:60Z", "2026-11-06T17:04:31.123",
        ]
    )
    func knowsTheTextThatItWouldWrite(text: String) throws {
        let timestamp = try #require(Timestamp(rfc3339: text))
        #expect(Timestamp.isCanonical(Array(text.utf8).span) == (timestamp.rfc3339() == text))
    }
}
