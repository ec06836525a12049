import EventCore
import Testing

@testable import EventStore

@Suite struct MonthTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"), ("2024-02-29T23:59:59.999999Z", "2024-02-01T00:00:00Z"),
        ("2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z"), ("2000-03-01T00:00:00Z", "2000-03-01T00:00:00Z"),
        ("1969-12-31T23:59:59Z", "1969-12-01T00:00:00Z"), ("2100-02-28T12:00:00Z", "2100-02-01T00:00:00Z"),
    ])
    func startsOnItsFirstDay(time: String, first: String) throws {
        let month = Month(of: try #require(Timestamp(rfc3339: time)))
        #expect(month.start(monthsBack: 0).rfc3339() == first)
    }

    @Test func countsBackOverYears() throws {
        let month = Month(of: try #require(Timestamp(rfc3339: "2026-02-10T00:00:00Z")))
        #expect(month.start(monthsBack: 1).rfc3339() == "2026-01-01T00:00:00Z")
        #expect(month.start(monthsBack: 26).rfc3339() == "2023-12-01T00:00:00Z")
    }
}
