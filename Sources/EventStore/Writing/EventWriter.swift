package import EventCore
import Postgres

/// What became of one event, once its transaction has committed.
package enum WriteOutcome: Sendable, Equatable {
    case accepted
    /// It was there already, or earlier in the same batch.
    case duplicate
    /// Its month can't be had: as many months exist as there may be.
    case monthUnavailable
}

/// Writes events in one transaction a batch.
///
/// When `store` returns, what it calls accepted or duplicate is committed. When it throws, it may or may not be: the
/// sender is told to try again, and finds its event a duplicate if it was.
package struct EventWriter: Sendable {
    private let database: Database

    package init(_ database: Database) {
        self.database = database
    }

    /// - Returns: one outcome for each event, in their order.
    /// - Throws: `PostgresError` when the batch could not be committed by the deadline, or nobody can know whether it was.
    package func store(_ events: [AcceptedEvent], deadline: ContinuousClock.Instant) async throws -> [WriteOutcome] {
        guard !events.isEmpty else { return [] }
        return try await database.pool.withConnection(deadline: deadline) { connection in
            var unavailable: Set<Month> = []
            var tries = 0
            while true {
                tries += 1
                let storable = events.filter { !unavailable.contains(Month(of: $0.occurredAt)) }
                do {
                    let inserted = try await Self.insert(storable, on: connection, deadline: deadline)
                    return Self.outcomes(of: events, inserted: inserted, unavailable: unavailable)
                } catch let error as PostgresError where error.sqlState == .checkViolation {
                    let missing = try await Self.makeMonths(of: storable, on: connection, deadline: deadline)
                    guard tries < Self.maximumTries else { throw error }
                    unavailable.formUnion(missing)
                } catch let error as PostgresError where [.deadlockDetected, .serializationFailure].contains(error.sqlState) {
                    // The server rolled it back by itself: nothing of it is there.
                    guard tries < Self.maximumTries, ContinuousClock.now < deadline else { throw error }
                    try await Task.sleep(for: .milliseconds(.random(in: 5...50)))
                }
            }
        }
    }

    private static let maximumTries = 4

    /// One round trip: BEGIN, role, INSERT, COMMIT. The ids that were not there before.
    private static func insert(
        _ events: [AcceptedEvent],
        on connection: Connection,
        deadline: ContinuousClock.Instant
    ) async throws -> [EventKey] {
        guard !events.isEmpty else { return [] }
        let results = try await connection.transaction(
            [Role.writer, InsertEvents(events: events).query],
            mode: .readWrite,
            deadline: deadline
        )
        guard let inserted = results.last else { return [] }
        return try inserted.decode(InsertEvents.self)
    }

    /// Makes the months of these events, each in a transaction of its own. Those that can't be had.
    private static func makeMonths(
        of events: [AcceptedEvent],
        on connection: Connection,
        deadline: ContinuousClock.Instant
    ) async throws -> Set<Month> {
        var refused: Set<Month> = []
        var asked: Set<Month> = []
        for event in events where asked.insert(Month(of: event.occurredAt)).inserted {
            let month = Month(of: event.occurredAt)
            let answer = try await connection.execute(EnsureMonth(tenant: event.tenant, month: month), deadline: deadline)
            if answer != [.ready] { refused.insert(month) }
        }
        return refused
    }

    static func outcomes(of events: [AcceptedEvent], inserted: [EventKey], unavailable: Set<Month>) -> [WriteOutcome] {
        var fresh = Set(inserted)
        return events.map { event in
            if unavailable.contains(Month(of: event.occurredAt)) { return .monthUnavailable }
            return fresh.remove(EventKey(event)) == nil ? .duplicate : .accepted
        }
    }
}

/// The primary key of `events`.
struct EventKey: Hashable, Sendable {
    let tenant: TenantID
    let occurredAt: Timestamp
    let id: EventID
}

extension EventKey {
    init(_ event: AcceptedEvent) {
        self.init(tenant: event.tenant, occurredAt: event.occurredAt, id: event.id)
    }
}
