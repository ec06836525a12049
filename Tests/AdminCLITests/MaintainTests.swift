import EventCore
import EventStore
import Foundation
import LocalCluster
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import AdminCLI

@Suite struct MaintainTests {
    /// Time that stands still until a test moves it.
    private final class ManualClock: MaintenanceClock {
        private let time: Mutex<Timestamp>
        private let sleeps = Atomic(0)

        init(_ time: Timestamp) {
            self.time = Mutex(time)
        }

        func now() -> Timestamp { time.withLock { $0 } }

        func set(_ text: String) throws {
            let moment = try #require(Timestamp(rfc3339: text))
            time.withLock { $0 = moment }
        }

        /// Looks again as soon as others had their turn.
        func sleep(seconds: Int) async throws {
            try Task.checkCancellation()
            sleeps.add(1, ordering: .relaxed)
            try await Task.sleep(for: .milliseconds(2))
        }

        var rounds: Int { sleeps.load(ordering: .relaxed) }
    }

    private func silent() -> MaintenanceOutput { MaintenanceOutput(isJSON: true) { _ in } }

    @Test func letsOneOfTenDoEachTaskOnce() async throws {
        let database = try await MigratedDatabase.make()
        let clock = ManualClock(try #require(Timestamp(rfc3339: "2026-11-20T12:00:00Z")))
        let runs = Atomic(0)
        let task = MaintenanceTask(name: "backup", schedule: .cron(try CronLine("30 2 * * *"))) { _ in
            runs.add(1, ordering: .relaxed)
            return "done"
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<10 {
                group.addTask {
                    await Maintainer(connect: { try await database.connect() }, tasks: [task], clock: clock, log: self.silent()).run()
                }
            }
            func pass(_ rounds: Int) async throws {
                let reached = clock.rounds + rounds
                #expect(try await eventually(within: .seconds(30)) { clock.rounds >= reached })
            }
            try await pass(30)
            #expect(runs.load(ordering: .relaxed) == 0, "what was due before the start is not made up for")
            for (night, count) in [("2026-11-21", 1), ("2026-11-22", 2), ("2026-11-23", 3)] {
                try clock.set("\(night)T02:30:01Z")
                #expect(try await eventually(within: .seconds(30)) { runs.load(ordering: .relaxed) == count })
                try await pass(30)
                #expect(runs.load(ordering: .relaxed) == count)
            }
            group.cancelAll()
        }
        let record = try await database.psql("SELECT task, runs, failures, detail FROM maintenance")
        #expect(record == "backup|3|0|done")
    }

    @Test func takesOverFromALeaderThatIsGone() async throws {
        let database = try await MigratedDatabase.make()
        let leader = try await database.connect()
        #expect(try await leader.takeSessionLock(Maintainer.lockName))
        let clock = ManualClock(.now())
        let runs = Atomic(0)
        let task = MaintenanceTask(name: "t", schedule: .every(seconds: 60)) { _ in
            runs.add(1, ordering: .relaxed)
            return ""
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await Maintainer(connect: { try await database.connect() }, tasks: [task], clock: clock, log: self.silent()).run()
            }
            #expect(try await eventually(within: .seconds(60)) { clock.rounds > 5 })
            #expect(runs.load(ordering: .relaxed) == 0)
            // As when its process or machine goes: the server ends the session.
            try await database.psql("SELECT pg_terminate_backend(\(leader.serverBackendPID))")
            #expect(try await eventually(within: .seconds(30)) { runs.load(ordering: .relaxed) == 1 })
            group.cancelAll()
        }
        await leader.close()
    }

    @Test func writesDownAFailureAndTriesAgainLater() async throws {
        let database = try await MigratedDatabase.make()
        let clock = ManualClock(try #require(Timestamp(rfc3339: "2026-11-20T12:00:00Z")))
        let task = MaintenanceTask(name: "t", schedule: .every(seconds: 86_400)) { _ in throw Failure("the disk is full") }
        let maintainer = Maintainer(connect: { try await database.connect() }, tasks: [task], clock: clock, log: silent())
        let connection = try await database.connect()
        let start = clock.now()
        for time in ["12:00:00", "12:14:59", "12:15:01"] {
            try clock.set("2026-11-20T\(time)Z")
            try await maintainer.runDue(connection, start: start)
        }
        await connection.close()
        #expect(try await database.psql("SELECT runs, failures, detail, succeeded_at IS NULL FROM maintenance") == "2|2|the disk is full|t")
    }

    /// A timer's command is at no time what could wait for the next one.
    @Test func makesTheFirstBackupWhenItIsRunOnce() async throws {
        let filled = try await FilledDatabase.make()
        var tool = try await CommandLineTool.make(filled.adminURL)
        tool.variables["DB_BACKUP_CRONJOB"] = "0 0 1 1 *"
        // A month of their own, which has expired.
        try await filled.psql("UPDATE tenants SET retention_days = 100; SELECT 1")
        let old = BackupFolder(path: "\(tool.home)/backups")
        try old.make()
        try old.begin("20200101T000000Z")
        try FileManager.default.setAttributes([.modificationDate: Date.distantPast], ofItemAtPath: "\(old.path)/20200101T000000Z")
        let first = try await tool.run("maintain", "--once", "--output", "json")
        #expect(first.status == .exited(0), "\(first.output)")
        let lines = first.output.split(separator: "\n").map { try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
        #expect(!lines.isEmpty && lines.allSatisfy { $0?["message"] is String }, "\(first.output)")
        let names = try old.backups().map(\.name)
        #expect(names.count == 1 && names.first != "20200101T000000Z", "one was made, and what never came to its end went")
        let tasks = "SELECT string_agg(task, ' ' ORDER BY task) FROM maintenance WHERE succeeded_at = started_at AND runs = 1"
        #expect(try await filled.psql(tasks) == "backup partitions prune retention slots views")
        #expect(try await filled.psql("SELECT count(*) FROM audit_log WHERE action = 'retention.run'") == "1")
        #expect(try await filled.psql("SELECT count(*) FROM events WHERE occurred_at < now() - interval '100 days'") == "0")
        // And not again before it is due again.
        let second = try await tool.run("maintain", "--once")
        #expect(second.status == .exited(0), "\(second.output)")
        #expect(try old.backups().count == 1)
        #expect(try await filled.psql(tasks) == "backup partitions prune retention slots views")
        tool.remove()
    }

    /// A backup by hand that takes longer than a daemon waits before it tries again.
    @Test func waitsForWhatIsDoneByHand() async throws {
        let database = try await MigratedDatabase.make()
        let clock = ManualClock(try #require(Timestamp(rfc3339: "2026-11-20T12:00:00Z")))
        let runs = Atomic(0)
        let task = MaintenanceTask(name: "backup", schedule: .cron(try CronLine("30 2 * * *")), lock: SessionLock.months) { _ in
            runs.add(1, ordering: .relaxed)
            return "done"
        }
        let maintainer = Maintainer(connect: { try await database.connect() }, tasks: [task], clock: clock, log: silent())
        let (leader, byHand) = (try await database.connect(), try await database.connect())
        let row = "SELECT runs, failures, started_at = succeeded_at FROM maintenance"
        try await byHand.withSessionLock(SessionLock.months) {
            try await MaintenanceLog(byHand).begin("backup", at: clock.now())
            try clock.set("2026-11-20T12:20:00Z")
            try await maintainer.runDue(leader, start: clock.now())
            #expect(try await database.psql(row) == "1|0|")
            let tool = try await CommandLineTool.make(database.adminURL)
            let second = try await tool.run("backup", "create")
            #expect(second.status == .exited(1) && second.output.contains("under way"), "\(second.output)")
            #expect(try await database.psql(row) == "1|0|", "what was not begun did not fail")
            try await MaintenanceLog(byHand).finish("backup", at: clock.now(), succeeded: true, seconds: 1_200, detail: "")
            tool.remove()
        }
        try await maintainer.runDue(leader, start: clock.now())
        #expect(try await database.psql(row) == "1|0|t" && runs.load(ordering: .relaxed) == 0)
        try clock.set("2026-11-21T02:30:01Z")
        try await maintainer.runDue(leader, start: clock.now())
        #expect(try await database.psql(row) == "2|0|t" && runs.load(ordering: .relaxed) == 1)
        for connection in [leader, byHand] { await connection.close() }
    }

    @Test func makesMonthsThatAreMissing() async throws {
        let database = try await MigratedDatabase.make()
        let month = try await database.psql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')")
        try await database.psql("DROP TABLE events_\(month), quarantine_\(month)")
        let tool = try await CommandLineTool.make(database.adminURL)
        let first = try await tool.run("partitions", "ensure")
        #expect(first.status == .exited(0) && first.output.contains("2 made."), "\(first.output)")
        let second = try await tool.run("partitions", "ensure")
        #expect(second.status == .exited(0) && second.output.contains("0 made."), "\(second.output)")
        let months = try #require(try await tool.json("partitions", "ensure") as? [[String: Any]])
        #expect(months.count == 8 && months.allSatisfy { $0["state"] as? String == "attached" }, "\(months)")
        tool.remove()
    }

    @Test func refusesABadLineAtTheStart() async throws {
        let database = try await MigratedDatabase.make()
        let tool = try await CommandLineTool.make(database.adminURL)
        for (name, value) in [
            ("DB_BACKUP_CRONJOB", "61 2 * * *"), ("DB_BACKUP_CRONJOB", "daily"), ("BACKUP_RETENTION_DAYS", "-1"), ("LOG_FORMAT", "xml"),
        ] {
            var wrong = tool
            wrong.variables["DB_BACKUP_CRONJOB"] = "0 0 * * *"
            wrong.variables[name] = value
            let run = try await wrong.run("maintain", "--once")
            #expect(run.status == .exited(64) && run.output.contains(name), "\(run.output)")
        }
        tool.remove()
    }

    @Test func doesWhatIsDueAndEndsOnSIGTERM() async throws {
        let database = try await MigratedDatabase.make()
        try await database.psql(
            """
            ALTER TABLE events DETACH PARTITION events_\(try await database.psql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')"));
            SELECT 1
            """
        )
        var tool = try await CommandLineTool.make(database.adminURL)
        let logs = "\(tool.home)/logs"
        try FileManager.default.createDirectory(atPath: logs, withIntermediateDirectories: true)
        for name in ["sluice-api.log", "sluice-api.log.1", "notes.txt"] {
            try Data().write(to: URL(filePath: "\(logs)/\(name)"))
            guard name != "sluice-api.log" else { continue }
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -8 * 86_400)],
                ofItemAtPath: "\(logs)/\(name)"
            )
        }
        let backups = BackupFolder(path: "\(tool.home)/backups")
        try backups.make()
        try backups.begin("20200101T000000Z")
        try FileManager.default.setAttributes([.modificationDate: Date.distantPast], ofItemAtPath: "\(backups.path)/20200101T000000Z")
        tool.variables.merge(["LOG_DIR": logs, "LOG_FORMAT": "json", "DB_BACKUP_CRONJOB": "* * * * *"]) { $1 }
        let output = "\(tool.home)/maintain.log"
        let daemon = try await ProcessSpawner.shared.spawn(
            ChildCommand(
                try BuiltProgram.path("sluice"),
                ["maintain"],
                environment: tool.environment,
                output: .appended(to: output),
                signalOnParentDeath: .terminate
            )
        )
        let tasks = "SELECT string_agg(task, ' ' ORDER BY task) FROM maintenance WHERE succeeded_at IS NOT NULL"
        let isDone = try await eventually(within: .seconds(120)) {
            try await database.psql(tasks) == "backup logs partitions prune retention slots views"
        }
        let said = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
        #expect(isDone, "\(said)")
        #expect(try await database.psql("SELECT detail FROM maintenance WHERE task = 'partitions'") == "1 made")
        let made = try backups.backups()
        #expect(
            made.first?.manifest?.kind == .full && !made.contains(where: \.isUnfinished),
            "made, and what never came to its end is gone"
        )
        #expect(Set(try FileManager.default.contentsOfDirectory(atPath: logs)) == ["sluice-api.log", "notes.txt"])
        let busy = try await tool.run("maintain", "--once")
        #expect(busy.status == .exited(1) && busy.output.contains("already"), "\(busy.output)")
        #expect(await daemon.terminate(grace: .seconds(20)) == .exited(0))
        tool.remove()
    }
}
