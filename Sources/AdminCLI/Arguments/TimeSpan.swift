import ArgumentParser
import EventCore

/// A length of time as an operator writes it: `90d`, `12h`, `30m`, `45s`; at most a hundred years.
struct TimeSpan: ExpressibleByArgument, CustomStringConvertible, Sendable {
    let seconds: Int64

    private static let longest: Int64 = 36_500 * 86_400
    private static let units: [(suffix: Character, seconds: Int64)] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]

    init(seconds: Int64) {
        self.seconds = seconds
    }

    init?(argument: String) {
        guard
            let unit = Self.units.first(where: { argument.last == $0.suffix }),
            argument.utf8.dropLast().allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let count = Int64(argument.dropLast()), count <= Self.longest / unit.seconds
        else { return nil }
        seconds = count * unit.seconds
    }

    var duration: Duration { .seconds(seconds) }

    /// The time so long after now.
    var fromNow: Timestamp { Timestamp.now().adding(seconds: seconds) }

    var description: String {
        guard let unit = Self.units.first(where: { seconds % $0.seconds == 0 }) else { return "\(seconds)s" }
        return "\(seconds / unit.seconds)\(unit.suffix)"
    }

    var defaultValueDescription: String { description }
}
