package import EventCore
import Postgres

/// Counts of one tenant's events, by time and by value, over at most a stated number of the newest that match.
package struct EventCounts: Sendable {
    package enum Bucket: String, Sendable, CaseIterable {
        case minute, hour, day, month

        func start(of time: Timestamp) -> Timestamp {
            let length: Int64 =
                switch self {
                case .minute: 60_000_000
                case .hour: 3_600_000_000
                case .day: 86_400_000_000
                case .month: 0
                }
            guard length > 0 else { return Month(of: time).start(monthsBack: 0) }
            // No event is older than 1970.
            return Timestamp(microsecondsSince1970: time.microsecondsSince1970 / length * length)
        }
    }

    package enum Value: Sendable, Hashable {
        case type, actor, machine
        case field(String)
    }

    /// So many events are looked at, and no more.
    package static let maximumRows = 50_000
    /// Values are told apart by so many bytes.
    private static let longestValue = 512

    package private(set) var rows = 0
    /// Everything that matches was counted.
    package private(set) var isComplete = false
    /// Of the events counted.
    package private(set) var newest: Timestamp?
    package private(set) var oldest: Timestamp?
    private var times: [Timestamp: Int] = [:]
    private var values: [String: Int] = [:]
    /// Events that have no such value.
    package private(set) var without = 0

    /// Oldest first; buckets without events are left out.
    package var buckets: [(start: Timestamp, count: Int)] {
        times.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// The most frequent first, equally frequent ones by their text.
    package func top(_ count: Int) -> [(value: String, count: Int)] {
        let ordered = values.sorted { $0.value == $1.value ? $0.key < $1.key : $0.value > $1.value }
        return ordered.prefix(count).map { ($0.key, $0.value) }
    }

    package var distinctValues: Int { values.count }

    fileprivate mutating func count(_ event: StoredEvent, bucket: Bucket?, value: Value?) {
        rows += 1
        newest = max(newest ?? event.occurredAt, event.occurredAt)
        oldest = min(oldest ?? event.occurredAt, event.occurredAt)
        if let bucket { times[bucket.start(of: event.occurredAt), default: 0] += 1 }
        guard let value else { return }
        guard let text = value.text(of: event) else { return without += 1 }
        values[String(decoding: text.utf8.prefix(Self.longestValue), as: UTF8.self), default: 0] += 1
    }

    fileprivate mutating func finish() {
        isComplete = true
    }
}

extension EventCounts.Value {
    fileprivate func text(of event: StoredEvent) -> String? {
        switch self {
        case .type: event.type
        case .actor: event.actor
        case .machine: event.machine
        case .field(let name):
            switch ObjectCells(event.fields)[name] {
            case nil: nil
            case .text(let text): text
            case .json(let json): String(decoding: json, as: UTF8.self)
            }
        }
    }
}

extension EventReader {
    /// Counts page by page, until all is counted, there were `maximumRows`, or half of the time is over: then the counts say that they
    /// are not complete, and how far back they go.
    package func counts(
        of tenant: TenantID,
        retentionDays: Int,
        filter: EventFilter,
        bucket: EventCounts.Bucket?,
        value: EventCounts.Value?,
        now: Timestamp,
        deadline: ContinuousClock.Instant
    ) async throws -> EventCounts {
        let enough = ContinuousClock.now + ContinuousClock.now.duration(to: deadline) / 2
        var counts = EventCounts()
        var after: EventPosition?
        repeat {
            let page: EventPage
            do {
                page = try await self.page(
                    of: tenant,
                    retentionDays: retentionDays,
                    filter: filter,
                    after: after,
                    limit: min(2_000, EventCounts.maximumRows - counts.rows),
                    now: now,
                    enough: enough,
                    deadline: deadline
                )
            } catch let error as PostgresError where counts.rows > 0 && error.isOutOfTime {
                break
            }
            for event in page.events { counts.count(event, bucket: bucket, value: value) }
            guard let next = page.next else {
                counts.finish()
                break
            }
            after = next
        } while counts.rows < EventCounts.maximumRows && ContinuousClock.now < enough
        return counts
    }
}
