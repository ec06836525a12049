import Access
@testable import AdminCLI
import EventStore
import Foundation
import LocalCluster
import TestSupport
import Testing

@Suite struct HealthCommandTests {
    private func run(_ url: String) async throws -> (status: ChildExit, output: String) {
        let command = ChildCommand(
            try BuiltProgram.path("sluice"),
            ["health", "--url", url],
            environment: ["PATH": "/usr/bin:/bin", "SLUICE_HOME": "/nonexistent"]
        )
        let run = try await ProcessSpawner.shared.run(command)
        return (run.status, run.output)
    }

    @Test func saysWhatIsWrongAndWhatToDo() async throws {
        let cluster = try await TestCluster.startPrivate()
        let scene = try await Scene.make(in: cluster)
        let url = "http://127.0.0.1:\(scene.server.port)"
        #expect(try await eventually { try await scene.server.get("/readyz").status == 200 })
        let well = try await run(url)
        #expect(well.status == .exited(0) && well.output.contains("fit for traffic"), "\(well.output)")
        try await cluster.stop(.fast)
        #expect(try await eventually { try await scene.server.get("/readyz").status == 503 })
        let away = try await run(url)
        #expect(away.status == .exited(1) && away.output.contains("is PostgreSQL running"), "\(away.output)")
        await scene.server.stop()
        let down = try await run(url + "/")
        #expect(down.status == .exited(1) && down.output.contains("nothing listens there"), "\(down.output)")
        let wrong = try await run("ftp://user:secret@x")
        #expect(wrong.status == .exited(64) && !wrong.output.contains("secret"), "\(wrong.output)")
        try await cluster.remove()
    }

    /// One line a request: what was tried, and how it ended.
    private func tried(_ scene: Scene, _ key: String, event: String? = nil) async throws -> (
        status: ChildExit, lines: [String], output: String
    ) {
        let folder = try makeTestFolder("doctor")
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data((key + "\n").utf8).write(to: URL(filePath: "\(folder)/key"))
        try Data((event ?? "").utf8).write(to: URL(filePath: "\(folder)/event"))
        let url = "http://127.0.0.1:\(scene.server.port)"
        let command = ChildCommand(
            try BuiltProgram.path("sluice"),
            ["doctor", "--url", url, "--key", "\(folder)/key", "--output", "json"] + (event == nil ? [] : ["--event", "\(folder)/event"]),
            environment: ["PATH": "/usr/bin:/bin", "SLUICE_HOME": "/nonexistent"]
        )
        let run = try await ProcessSpawner.shared.run(command)
        let rows = (try? JSONSerialization.jsonObject(with: Data(run.output.utf8))) as? [[String: Any]] ?? []
        let lines = rows.map { "\($0["check"] ?? "") \($0["verdict"] ?? "")" }
        return (run.status, lines, run.output)
    }

    @Test func triesAServerAsItsSendersAndReadersDo() async throws {
        let scene = try await Scene.make()
        #expect(try await eventually { try await scene.server.get("/readyz").status == 200 })
        let all = try await tried(scene, scene.admin, event: Webhook.body())
        #expect(all.status == .exited(0) && all.lines.suffix(2) == ["your event ok", "the same again ok"], "\(all.output)")
        #expect(all.lines.count >= 10 && !all.output.contains(scene.admin))
        for key in [scene.query, scene.ingest, scene.hook] {
            let run = try await tried(scene, key)
            #expect(run.status == .exited(0) && !run.lines.contains { $0.hasSuffix("fail") }, "\(run.output)")
        }
        let refused = try await tried(scene, scene.hook, event: Webhook.body(serial: nil))
        #expect(refused.status == .exited(1) && refused.output.contains("/custom_data"), "\(refused.output)")
        #expect(try await scene.migrated.psql("SELECT count(*) FROM events") == "1")
        #expect(try await scene.migrated.psql("SELECT count(*) FROM quarantine") == "1", "the refused one, and nothing else")
        let revoked = try await tried(scene, APIKey.generate(.admin).text)
        #expect(revoked.status == .exited(1) && revoked.lines.last == "a page of events fail", "\(revoked.output)")
        let typo = try await tried(scene, String(scene.admin.dropLast()))
        #expect(typo.status == .exited(64) && typo.lines.isEmpty)
        await scene.server.stop()
    }

    private func examine(_ answers: [String: ServerHealth.Answer]) async -> [CheckResult] {
        await ServerHealth { answers[$0] ?? .answered(status: 404, body: Data()) }.examine()
    }

    @Test func readsWhatEachAnswerMeans() async throws {
        let ok = ServerHealth.Answer.answered(status: 200, body: Data("{}".utf8))
        #expect(await examine(["/livez": .answered(status: 502, body: Data())])[0].finding.contains("proxy"))
        #expect(await examine(["/livez": .silent])[0].advice.contains("hangs"))
        #expect(await examine([:])[0].finding.contains("no sluice-api"))
        func notReady(_ detail: String, code: String = "not_ready") async -> CheckResult {
            let body = Data(#"{"code":"\#(code)","detail":"\#(detail)"}"#.utf8)
            return await examine(["/livez": ok, "/readyz": .answered(status: 503, body: body)])[1]
        }
        #expect(await notReady("The database is older than this server: run sluice migrate.").advice.contains("sluice migrate"))
        #expect(await notReady("It does not keep tenants apart: run sluice doctor.").advice.contains("sluice doctor"))
        #expect(await notReady("The database takes no writes.").advice.contains("primary"))
        #expect(await notReady("x", code: "closing").finding.contains("shutting down"))
        let parts = #"{"status":"error","database":"unreachable","database_sample":"empty","log_write":"failed","disk_space":"low"}"#
        let all = await examine(["/livez": ok, "/readyz": ok, "/health": .answered(status: 200, body: Data(parts.utf8))])
        #expect(all.map(\.verdict) == [.ok, .ok, .fail, .warn, .fail, .warn] && all.dropFirst(2).allSatisfy { !$0.advice.isEmpty })
    }
}
