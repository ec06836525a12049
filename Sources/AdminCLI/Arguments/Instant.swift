import ArgumentParser
import EventCore

/// A time as an operator writes it: RFC 3339; a day, which stands for its beginning in UTC; or a `TimeSpan`, for so long ago.
struct Instant: ExpressibleByArgument, Sendable {
    let time: Timestamp

    /// - Throws: `ValidationError` when nothing can lie between the two.
    static func check(from: Instant?, to: Instant?) throws {
        guard let from, let to, from.time >= to.time else { return }
        throw ValidationError("--from (\(from.time.rfc3339())) is before --to (\(to.time.rfc3339())).")
    }

    init?(argument: String) {
        self.init(argument, now: .now())
    }

    init?(_ text: String, now: Timestamp) {
        if let time = Timestamp(rfc3339: text) ?? Timestamp(rfc3339: text + "T00:00:00Z") {
            self.time = time
        } else if let span = TimeSpan(argument: text) {
            time = now.adding(seconds: -span.seconds)
        } else {
            return nil
        }
    }
}
