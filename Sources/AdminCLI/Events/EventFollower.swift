import EventCore
import EventStore

/// Finds what was stored since it last looked, each event once.
///
/// An event bears the time at which its request began, and is committed later, perhaps after events of requests that began after it.
/// So every look goes back behind what was seen: half a minute each time, and once in half a minute as far as the longest request
/// takes; an event that is there already is known by its id. A record that is replayed from quarantine keeps the time at which it was received: when that is
/// further back, it is not shown.
struct EventFollower: Sendable {
    /// A body of 64 MiB at the slowest pace that is let through, 64 KiB/s, and its last batch's deadline.
    static let longestRequest = Duration.seconds(1_024 + 60)
    private static let shortLook = Duration.seconds(30)
    private static let pageRows = 5_000
    /// Events of one longest request's time that can be told apart: 16 bytes each.
    private static let mostSeen = 5_000_000

    private let reading: TenantReading
    private let filter: EventFilter
    private let startedAt: Timestamp
    private let clock: @Sendable () -> ContinuousClock.Instant
    private var seen: [EventID: Timestamp] = [:]
    private var longLook: ContinuousClock.Instant?

    /// - Parameter clock: tells when it is time for a long look.
    init(
        _ reading: TenantReading,
        filter: EventFilter,
        startedAt: Timestamp = .now(),
        clock: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.reading = reading
        self.filter = filter
        self.startedAt = startedAt
        self.clock = clock
    }

    func hasSeen(_ event: StoredEvent) -> Bool { seen[event.id] != nil }

    /// Received within the time that is looked back to.
    func isRecent(_ event: StoredEvent) -> Bool { event.receivedAt >= startedAt.before(Self.longestRequest) }

    /// What is stored by now is not shown by `poll`.
    mutating func skipWhatIsThere() async throws {
        _ = try await look(back: Self.longestRequest)
    }

    mutating func poll() async throws -> [StoredEvent] {
        let now = clock()
        guard let longLook, now < longLook + Self.shortLook else {
            longLook = now
            return try await look(back: Self.longestRequest)
        }
        return try await look(back: Self.shortLook)
    }

    private mutating func look(back: Duration) async throws -> [StoredEvent] {
        let now = Timestamp.now()
        forget(before: now.before(Self.longestRequest + .seconds(60)))
        var new: [StoredEvent] = []
        var after: ReceivedPosition?
        repeat {
            let page = try await reading.reader.received(
                of: reading.tenant.id,
                retentionDays: reading.tenant.retentionDays,
                filter: filter,
                since: now.before(back),
                after: after,
                limit: Self.pageRows,
                now: now,
                deadline: .now + .seconds(30)
            )
            for event in page.events where seen.updateValue(event.receivedAt, forKey: event.id) == nil { new.append(event) }
            guard seen.count <= Self.mostSeen else { throw Failure("more events come than can be followed: give a filter") }
            after = page.next
        } while after != nil
        return new
    }

    private mutating func forget(before time: Timestamp) {
        guard seen.count > 10_000 else { return }
        seen = seen.filter { $0.value >= time }
    }
}

extension Timestamp {
    fileprivate func before(_ duration: Duration) -> Timestamp {
        Timestamp(microsecondsSince1970: microsecondsSince1970 - duration.components.seconds * 1_000_000)
    }
}
