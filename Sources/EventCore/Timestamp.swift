#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// An instant in microseconds, the precision of PostgreSQL's `timestamptz`.
package struct Timestamp: Hashable, Comparable, Sendable {
    package let microsecondsSince1970: Int64

    package init(microsecondsSince1970: Int64) {
        self.microsecondsSince1970 = microsecondsSince1970
    }

    /// The first instant of 1970.
    package static let epoch = Timestamp(microsecondsSince1970: 0)

    static let microsecondsPerSecond: Int64 = 1_000_000
    static let secondsPerDay: Int64 = 86_400
    /// What text can say: years 0001 to 9999.
    static let writableSeconds: ClosedRange<Int64> = -62_135_596_800...253_402_300_799

    /// The system's clock.
    package static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microsecondsSince1970: Int64(time.tv_sec) * microsecondsPerSecond + Int64(time.tv_nsec) / 1_000)
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.microsecondsSince1970 < right.microsecondsSince1970
    }

    /// This instant so many days of 24 hours later; the furthest there is when it would be further.
    package func adding(days: Int) -> Timestamp { adding(Int64(days), of: Self.secondsPerDay * Self.microsecondsPerSecond) }

    /// As `adding(days:)`.
    package func adding(seconds: Int64) -> Timestamp { adding(seconds, of: Self.microsecondsPerSecond) }

    private func adding(_ count: Int64, of unit: Int64) -> Timestamp {
        let (microseconds, isTooMuch) = count.multipliedReportingOverflow(by: unit)
        let (sum, isTooFar) = microsecondsSince1970.addingReportingOverflow(microseconds)
        guard isTooMuch || isTooFar else { return Timestamp(microsecondsSince1970: sum) }
        return Timestamp(microsecondsSince1970: count < 0 ? .min : .max)
    }
}
