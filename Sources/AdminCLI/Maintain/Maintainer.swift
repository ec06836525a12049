import EventCore
import EventStore
import Foundation
import Postgres

/// Runs tasks when they are due. Of all daemons of one database the one that holds an advisory lock does the work; when it goes, its session
/// and so its lock go too, and another takes over, knowing from the database what was done.
struct Maintainer: Sendable {
    static let lockName = "sluice.maintain"
    static let pauseSeconds = 20

    let connect: @Sendable () async throws -> Connection
    let tasks: [MaintenanceTask]
    var clock: any MaintenanceClock = SystemClock()
    let log: MaintenanceOutput

    /// Until it is cancelled.
    func run() async {
        let start = clock.now()
        var leader: Connection?
        while !Task.isCancelled {
            do {
                if try await !holdsLead(&leader) {
                    try await clock.sleep(seconds: Self.pauseSeconds)
                    continue
                }
                if let leader { try await runDue(leader, start: start) }
                try await clock.sleep(seconds: Self.pauseSeconds)
            } catch is CancellationError {
                break
            } catch {
                log.warn("the database cannot be reached", ["error": "\(error)"])
                await leader?.close()
                leader = nil
                try? await clock.sleep(seconds: Self.pauseSeconds)
            }
        }
        await leader?.close()
    }

    /// A round as it is run by the one who leads; for tests and for `--once`.
    ///
    /// - Parameter start: as in ``MaintenanceSchedule/isDue(last:now:start:)``.
    func runDue(_ leader: Connection, start: Timestamp?) async throws {
        let records = try await MaintenanceLog(leader).records()
        for task in tasks where !Task.isCancelled {
            let last = records.first { $0.task == task.name }
            guard task.schedule.isDue(last: last, now: clock.now(), start: start) else { continue }
            let connection = try await connect()
            do {
                try await runInTurn(task, connection, leader)
            } catch {
                await connection.close()
                throw error
            }
            await connection.close()
        }
    }

    /// Not now, when another has the task's lock: what that one does is neither a run of ours nor a failure. The lock goes with the connection.
    private func runInTurn(_ task: MaintenanceTask, _ connection: Connection, _ leader: Connection) async throws {
        if let lock = task.lock, try await !connection.takeSessionLock(lock) {
            return log.note("waits for its turn", ["task": task.name])
        }
        // Who has lost the session has lost the lead: this throws then, before anything is begun.
        try await MaintenanceLog(leader).begin(task.name, at: clock.now())
        await run(task, connection, leader)
    }

    private func run(_ task: MaintenanceTask, _ connection: Connection, _ leader: Connection) async {
        let begun = ContinuousClock.now
        let outcome: Result<String, any Error>
        do {
            outcome = .success(try await task.run(connection))
        } catch {
            outcome = .failure(error)
        }
        let seconds = Double((ContinuousClock.now - begun) / .milliseconds(1)) / 1_000
        let (succeeded, detail): (Bool, String) =
            switch outcome {
            case .success(let text): (true, text)
            case .failure(let error): (false, "\(error)")
            }
        let fields = ["task": task.name, "seconds": String(seconds), "detail": detail]
        if succeeded { log.note("done", fields) } else { log.warn("failed", fields) }
        do {
            try await MaintenanceLog(leader).finish(task.name, at: clock.now(), succeeded: succeeded, seconds: seconds, detail: detail)
        } catch {
            log.warn("the outcome could not be written down", ["task": task.name, "error": "\(error)"])
        }
    }

    /// Whether this daemon leads; tries to, unless it does.
    private func holdsLead(_ leader: inout Connection?) async throws -> Bool {
        if let held = leader {
            if held.isUsable, !held.isPeerGone { return true }
            await held.close()
            leader = nil
            log.warn("the connection of the leader was lost", [:])
        }
        let connection = try await connect()
        do {
            if try await connection.takeSessionLock(Self.lockName) {
                leader = connection
                log.note("leading", [:])
                return true
            }
        } catch {
            await connection.close()
            throw error
        }
        await connection.close()
        return false
    }
}

/// A line for each thing that happened, as text or JSON (`LOG_FORMAT`).
struct MaintenanceOutput: Sendable {
    let isJSON: Bool
    var write: @Sendable (String) -> Void = { Console.persistent.error($0) }

    func note(_ message: String, _ fields: [String: String]) { line("info", message, fields) }
    func warn(_ message: String, _ fields: [String: String]) { line("warning", message, fields) }

    private func line(_ level: String, _ message: String, _ fields: [String: String]) {
        let time = Timestamp.now().rfc3339()
        guard isJSON else {
            let rest = fields.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.replacing("\n", with: " "))" }
            write("\(time) \(level) sluice-maintain : \(([message] + rest).joined(separator: " "))")
            return
        }
        let all = fields.merging(["time": time, "level": level, "label": "sluice-maintain", "message": message]) { $1 }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts can always be written.
        write((try? encoder.encode(all)).map { String(decoding: $0, as: UTF8.self) } ?? message)
    }
}
