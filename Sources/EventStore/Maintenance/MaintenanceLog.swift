package import EventCore
package import Postgres

/// A maintenance task's last run, and how many there were.
package struct MaintenanceRecord: Sendable, Equatable {
    package let task: String
    package let startedAt: Timestamp?
    /// Nil while it runs, or when it was ended half-way.
    package let finishedAt: Timestamp?
    /// When the last run that succeeded was started.
    package let succeededAt: Timestamp?
    package let runs: Int
    package let failures: Int
    package let seconds: Double
    package let detail: String

    package init(
        task: String,
        startedAt: Timestamp?,
        finishedAt: Timestamp?,
        succeededAt: Timestamp?,
        runs: Int = 1,
        failures: Int = 0,
        seconds: Double = 0,
        detail: String = ""
    ) {
        self.task = task
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.succeededAt = succeededAt
        self.runs = runs
        self.failures = failures
        self.seconds = seconds
        self.detail = detail
    }

    /// The last run did not come to a good end.
    package var hasFailed: Bool { startedAt != nil && succeededAt != startedAt }
}

/// What the maintenance daemons of one database tell one another.
package struct MaintenanceLog: Sendable {
    private let connection: Connection

    /// - Parameter connection: of a superuser or a member of `sluice_owner`.
    package init(_ connection: Connection) {
        self.connection = connection
    }

    /// By task.
    package func records() async throws -> [MaintenanceRecord] {
        try await connection.asOwner(.readOnly) { connection, deadline in
            try connection.execute(ListMaintenance(), deadline: deadline)
        }
    }

    /// Does it now, and writes it down as a run of the task.
    ///
    /// - Parameter detail: what was done.
    package func recording<T>(_ task: String, detail: (T) -> String, _ work: () async throws -> T) async throws -> T {
        let begun = ContinuousClock.now
        try await begin(task, at: .now())
        let seconds = { begun.duration(to: .now) / .seconds(1) }
        let result: T
        do {
            result = try await work()
        } catch {
            // What went wrong is told, whether or not it can be written down.
            try? await finish(task, at: .now(), succeeded: false, seconds: seconds(), detail: "\(error)")
            throw error
        }
        try await finish(task, at: .now(), succeeded: true, seconds: seconds(), detail: detail(result))
        return result
    }

    package func begin(_ task: String, at time: Timestamp) async throws {
        try await connection.asOwner { connection, deadline in
            _ = try connection.execute(BeginMaintenance(task: task, time: time), deadline: deadline)
        }
    }

    /// - Parameter detail: what was done or what went wrong; at most 500 characters are kept.
    package func finish(_ task: String, at time: Timestamp, succeeded: Bool, seconds: Double, detail: String) async throws {
        let statement = FinishMaintenance(
            task: task,
            time: time,
            succeeded: succeeded,
            seconds: seconds,
            detail: String(detail.prefix(500))
        )
        try await connection.asOwner { connection, deadline in _ = try connection.execute(statement, deadline: deadline) }
    }
}

struct ListMaintenance: Statement {
    static let name = "list_maintenance"
    static let sql = """
        SELECT task, started_at, finished_at, succeeded_at, runs, failures, seconds, detail FROM sluice.maintenance ORDER BY task
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> MaintenanceRecord {
        MaintenanceRecord(
            task: try row.decode(0),
            startedAt: try row.timestampIfPresent(1),
            finishedAt: try row.timestampIfPresent(2),
            succeededAt: try row.timestampIfPresent(3),
            runs: Int(clamping: try row.decode(4, as: Int64.self)),
            failures: Int(clamping: try row.decode(5, as: Int64.self)),
            seconds: try row.decode(6),
            detail: try row.decode(7)
        )
    }
}

struct BeginMaintenance: Statement {
    static let name = "begin_maintenance"
    static let sql = """
        INSERT INTO sluice.maintenance AS m (task, started_at, runs) VALUES ($1, $2, 1)
        ON CONFLICT (task) DO UPDATE SET started_at = $2, finished_at = NULL, runs = m.runs + 1
        """

    let task: String
    let time: Timestamp

    func bind(_ bindings: inout Bindings) {
        bindings.append(task)
        bindings.append(time.timestamptz)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

struct FinishMaintenance: Statement {
    static let name = "finish_maintenance"
    static let sql = """
        UPDATE sluice.maintenance SET finished_at = $2, succeeded_at = CASE WHEN $3 THEN started_at ELSE succeeded_at END,
               failures = failures + CASE WHEN $3 THEN 0 ELSE 1 END, seconds = $4, detail = $5
        WHERE task = $1
        """

    let task: String
    let time: Timestamp
    let succeeded: Bool
    let seconds: Double
    let detail: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(task)
        bindings.append(time.timestamptz)
        bindings.append(succeeded)
        bindings.append(seconds)
        bindings.append(detail)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}
