/// When an event may have occurred to be accepted: from `retentionDays` ago until 24 hours ahead, and never before 1970.
package struct AcceptanceWindow: Hashable, Sendable {
    package let now: Timestamp
    package let retentionDays: Int
    package let earliest: Timestamp
    package let latest: Timestamp

    /// - Parameter judgedAt: for a record that came at `now` and is judged later, by what is kept then; nil: as it comes.
    package init(now: Timestamp, retentionDays: Int, judgedAt: Timestamp? = nil) {
        let days = max(retentionDays, 0)
        self.now = now
        self.retentionDays = days
        earliest = max((judgedAt ?? now).adding(days: -days), .epoch)
        latest = now.adding(days: 1)
    }

    package func contains(_ timestamp: Timestamp) -> Bool {
        earliest <= timestamp && timestamp <= latest
    }
}
