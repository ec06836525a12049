import EventCore
import EventStore
import Postgres

/// When a task is due.
enum MaintenanceSchedule: Sendable {
    case every(seconds: Int64)
    case cron(CronLine)

    /// After a failure, and after a run that was ended half-way.
    static let retrySeconds: Int64 = 900

    /// - Parameters:
    ///   - last: what all daemons together know of its last run.
    ///   - start: when this daemon was started: what was due before nobody ran the daemon is not made up for. Nil: it is, for there is no daemon
    ///     that could wait for the next time.
    func isDue(last: MaintenanceRecord?, now: Timestamp, start: Timestamp?) -> Bool {
        let begun = last?.startedAt
        if let last, let begun, last.hasFailed, now >= begun.adding(seconds: Self.retrySeconds) { return true }
        switch self {
        case .every(let seconds): return begun.map { now >= $0.adding(seconds: seconds) } ?? true
        case .cron(let line):
            guard let previous = line.previous(notAfter: now) else { return false }
            return (begun ?? start).map { previous > $0 } ?? true
        }
    }
}

/// Something that has to be done now and then, by one daemon of all.
struct MaintenanceTask: Sendable {
    let name: String
    let schedule: MaintenanceSchedule
    /// The session's lock that it runs under, if any: while another has it, by hand perhaps, the task waits for its turn.
    var lock: String?
    /// Says what it did, in a line. Gets a connection of its own.
    let run: @Sendable (Connection) async throws -> String
}

/// What a daemon waits by; a manual one in tests.
protocol MaintenanceClock: Sendable {
    func now() -> Timestamp
    func sleep(seconds: Int) async throws
}

struct SystemClock: MaintenanceClock {
    func now() -> Timestamp { .now() }
    func sleep(seconds: Int) async throws { try await Task.sleep(for: .seconds(seconds)) }
}
