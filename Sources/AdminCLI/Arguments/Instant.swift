import ArgumentParser
import EventCore

/// A time as an operator writes it: RFC 3339; a day, which stands for its beginning in UTC; or a `TimeSpan`, for so long ago.
struct Instant: ExpressibleByArgument, Sendable {
    let time: Timestamp

    init?(argument: String) {
        self.init(argument, now: .now())
    }

    init?(_ text: String, now: Timestamp) {
        if let time = Timestamp(rfc3339: text) ?? Timestamp(rfc3339: text + "T00:00:00Z") {
            self.time = time
        } else if let span = TimeSpan(argument: text) {
            time = Timestamp(microsecondsSince1970: now.microsecondsSince1970 - span.seconds * 1_000_000)
        } else {
            return nil
        }
    }
}
