import Foundation
import LocalCluster
import TestSupport
import Testing

/// `sluice up` as a newcomer runs it.
@Suite(.serialized) struct SluiceUpTests {
    /// One run of the program in a home.
    private struct Run {
        let process: ChildProcess
        let port: Int
        let log: String
        let home: String

        var output: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
        var demo: JSONValue { JSONValue((try? String(contentsOfFile: "\(home)/demo.json", encoding: .utf8)) ?? "") }
    }

    private static func environment(home: String, port: Int) -> [String: String] {
        var variables = ["SLUICE_HOME": home, "LISTEN": "127.0.0.1:\(port)", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/tmp"]
        // Taken up by nobody: they are for other databases.
        variables.merge(["PGPORT": "1", "PGHOSTADDR": "127.0.0.1", "PGSERVICE": "nope"]) { $1 }
        variables["SLUICE_BIN_POSTGRES"] = ProcessInfo.processInfo.environment["SLUICE_BIN_POSTGRES"]
        return variables
    }

    private func start(home: String, port: Int? = nil) async throws -> Run {
        let port = try port ?? FreePort.find()
        let log = "\(home).\(UInt32.random(in: 0 ..< .max)).log"
        let process = try await ProcessSpawner.shared.spawn(
            ChildCommand(
                try BuiltProgram.path("sluice"),
                ["up"],
                environment: Self.environment(home: home, port: port),
                output: .appended(to: log),
                signalOnParentDeath: .terminate
            )
        )
        return Run(process: process, port: port, log: log, home: home)
    }

    private func untilReady(_ run: Run) async throws {
        let isReady = try await eventually(within: .seconds(60)) {
            guard run.process.status == nil else { return true }
            return run.output.contains("Sluice is up")
        }
        try #require(isReady && run.process.status == nil, "\(run.output)")
    }

    private func sluice(_ arguments: [String], home: String, port: Int) async throws -> (status: ChildExit, output: String) {
        try await ProcessSpawner.shared.run(
            ChildCommand(try BuiltProgram.path("sluice"), arguments, environment: Self.environment(home: home, port: port))
        )
    }

    private func makeHome() throws -> String {
        let home = "/tmp/sluice-up-\(getpid())-\(UInt32.random(in: 0 ..< .max))"
        try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
        return home
    }

    /// Keeps what a start said beside its greeting, which shows the demo's keys for once, then deletes everything.
    private func discard(homes: [String], logs: [String]) throws {
        for home in homes {
            let demo = JSONValue((try? String(contentsOfFile: "\(home)/demo.json", encoding: .utf8)) ?? "")
            for kind in ["hook", "ingest", "query", "admin"] { demo["\(kind)_key"].string.map(TestRun.register(key:)) }
            TestRun.keep(log: "\(LocalCluster.location(home: home, account: try .current()))/postgres.log")
        }
        for log in logs {
            var isGreeting = false
            let lines = ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n").filter { line in
                if line.hasPrefix("Sluice is up at") || line == "{" { isGreeting = true }
                defer { if line.hasPrefix("  admin ") || line == "}" { isGreeting = false } }
                return !isGreeting
            }
            TestRun.keep(text: lines.joined(separator: "\n"), as: "sluice-up.log")
        }
        for path in homes + logs { try? FileManager.default.removeItem(atPath: path) }
    }

    /// Processes that run for this home, by where they work or what they were told.
    private func processes(of home: String) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap(pid_t.init).filter { pid in
            ["cmdline", "environ"].contains { file in
                (FileManager.default.contents(atPath: "/proc/\(pid)/\(file)") ?? Data()).range(of: Data(home.utf8)) != nil
            }
        }
    }

    private func post(_ body: String, to run: Run) async throws -> JSONValue {
        let curl = ["-sS", "--max-time", "20", "-d", body, run.demo["hook_url"].string ?? ""]
        let result = try await ProcessSpawner.shared.run(ChildCommand("/usr/bin/curl", curl, environment: [:]))
        return JSONValue(result.output)
    }

    @Test func losesNothingWhenEverythingIsKilledAndLeavesNothingWhenStopped() async throws {
        let home = try makeHome()
        let first = try await start(home: home)
        try await untilReady(first)
        let mode = try FileManager.default.attributesOfItem(atPath: "\(home)/demo.json")[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(first.output.contains(first.demo["hook_url"].string ?? "?") && first.output.contains("curl"))
        #expect(try await post(Webhook.body(), to: first)["accepted"].int == 1)

        let other = try await sluice(["up"], home: home, port: first.port)
        #expect(other.status == .exited(1) && other.output.contains("runs already"), "\(other.output)")
        let taken = try makeHome()
        let elsewhere = try await sluice(["up"], home: taken, port: first.port)
        #expect(elsewhere.status == .exited(1) && elsewhere.output.contains("is taken"), "\(elsewhere.output)")

        let tenants = try await sluice(["tenant", "list", "--output", "json"], home: home, port: first.port)
        #expect(JSONValue(tenants.output)[0]["slug"].string == "demo", "\(tenants.output)")

        let killed = processes(of: home)
        #expect(killed.count >= 3, "sluice, sluice-api, postgres and its own")
        for pid in killed { try? TestCluster.signal(pid, SIGKILL) }
        #expect(try await eventually { self.processes(of: home).isEmpty })

        let second = try await start(home: home, port: first.port)
        try await untilReady(second)
        #expect(try await post(Webhook.body(), to: second)["duplicates"].int == 1, "the same key, the same event")

        // Killed alone, it takes the others with it.
        second.process.signal(SIGKILL)
        #expect(try await eventually(within: .seconds(20)) { self.processes(of: home).isEmpty })

        let third = try await start(home: home, port: first.port)
        try await untilReady(third)
        #expect(try await post(Webhook.body(), to: third)["duplicates"].int == 1)
        let began = ContinuousClock.now
        third.process.signal(SIGTERM)
        #expect(await third.process.waitForExit(within: .seconds(20)) == .exited(0))
        #expect(ContinuousClock.now - began < .seconds(20))
        #expect(processes(of: home).isEmpty, "nothing is left running")
        try discard(homes: [home, taken], logs: [first.log, second.log, third.log])
    }

    @Test func startsTheAPIAndPostgreSQLAgainWhenTheyAreKilled() async throws {
        let home = try makeHome()
        let run = try await start(home: home)
        try await untilReady(run)
        #expect(try await post(Webhook.body(), to: run)["accepted"].int == 1)
        for name in ["sluice-api", "postgres"] {
            let victims = processes(of: home).filter { pid in
                (try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8))?.hasPrefix(name) == true
            }
            let victim = try #require(victims.min(), "\(name) runs")
            let said = run.output.components(separatedBy: "it is started again").count
            try TestCluster.signal(victim, SIGKILL)
            let isBack = try await eventually(within: .seconds(30)) {
                guard run.output.components(separatedBy: "it is started again").count > said else { return false }
                return try await self.post(Webhook.body(), to: run)["duplicates"].int == 1
            }
            #expect(isBack, "\(name): \(run.output)")
            #expect(!processes(of: home).contains(victim))
        }
        await run.process.terminate(grace: .seconds(20))
        try discard(homes: [home], logs: [run.log])
    }

    @Test func keepsEverythingInTheFolderItIsStartedInAndGreetsProgramsInJSON() async throws {
        let folder = "\(try makeHome()) with a space"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
        let port = try FreePort.find()
        var environment = Self.environment(home: "", port: port)
        environment["SLUICE_HOME"] = nil
        let log = "\(folder).log"
        let process = try await ProcessSpawner.shared.spawn(
            ChildCommand(
                try BuiltProgram.path("sluice"),
                ["up", "--output", "json"],
                environment: environment,
                directory: folder,
                output: .appended(to: log),
                signalOnParentDeath: .terminate
            )
        )
        let run = Run(process: process, port: port, log: log, home: "\(folder)/.sluice")
        let isUp = try await eventually(within: .seconds(60)) { process.status != nil || run.output.contains("\n}\n") }
        #expect(isUp && process.status == nil, "\(run.output)")
        let greeting = JSONValue(run.output.split(separator: "\n").drop { $0 != "{" }.prefix { $0 != "}" }.joined() + "}")
        #expect(
            greeting.keys == run.demo.keys && greeting["hook_url"].string?.isEmpty == false
                && greeting["hook_url"].string == run.demo["hook_url"].string
        )
        #expect(await process.terminate(grace: .seconds(20)) == .exited(0))
        try discard(homes: ["\(folder)/.sluice"], logs: [log])
        for path in [folder, folder.replacing(" with a space", with: "")] { try? FileManager.default.removeItem(atPath: path) }
    }
}
