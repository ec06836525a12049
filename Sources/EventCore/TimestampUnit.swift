/// How a schema says that a timestamp is sent as a number: counted from 1970 in this unit.
package enum TimestampUnit: String, CaseIterable, Sendable {
    case seconds, milliseconds

    /// How many decimal places a number in this unit is moved to become microseconds.
    private var places: Int {
        switch self {
        case .seconds: 6
        case .milliseconds: 3
        }
    }

    /// The instant a number means; what is finer than a microsecond is cut. Nil outside of years 0001 to 9999.
    func timestamp(_ number: DecimalNumber) -> Timestamp? {
        guard let microseconds = number.truncated(shiftedBy: places) else { return nil }
        let seconds = microseconds / Timestamp.microsecondsPerSecond
        // One second less at the lower end, so that a fraction before it cannot leave the range.
        guard seconds > Timestamp.writableSeconds.lowerBound, seconds <= Timestamp.writableSeconds.upperBound else { return nil }
        return Timestamp(microsecondsSince1970: microseconds)
    }

    /// The number that means an instant.
    func text(_ timestamp: Timestamp) -> String {
        let microseconds = timestamp.microsecondsSince1970
        let digits = String(microseconds.magnitude)
        let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
        var fraction = padded.suffix(places)
        while fraction.last == "0" { fraction.removeLast() }
        return (microseconds < 0 ? "-" : "") + padded.dropLast(places) + (fraction.isEmpty ? "" : "." + fraction)
    }
}
