import EventCore
import EventStore
import Foundation
import LocalCluster
import TestSupport
import Testing

/// `sluice events` and `sluice export`.
@Suite(.fewAtOnce) struct EventsCommandTests {
    private func fill(_ scene: Scene, _ seconds: Range<Int>) async throws {
        let lines = seconds.map { Webhook.body(user: "u\($0 % 2)", secondsLater: Int64($0)) }
        let reply = try await scene.server.post(
            "/v1/events",
            lines.joined(separator: "\n"),
            key: scene.ingest,
            headers: ["Content-Type": "application/x-ndjson"]
        )
        #expect(reply.json["accepted"].int == seconds.count, "\(reply.body)")
    }

    @Test func queriesWhatMatches() async throws {
        let scene = try await Scene.make()
        try await fill(scene, 0..<20)
        let all = try await SluiceCommand.run(["events", "query", "acme", "--output", "json"], on: scene.migrated)
        #expect(all.status == .exited(0) && JSONValue(all.output).count == 20, "\(all.output)")
        let some = try await SluiceCommand.run(
            [
                "events", "query", "acme", "--actor", "u1", "--where", "serial=\(Webhook.serial)", "--order", "asc", "--limit", "3",
                "--output", "json",
            ],
            on: scene.migrated
        )
        let list = JSONValue(some.output)
        #expect(list.count == 3 && list[0]["actor"].string == "u1", "\(some.output)")
        let times = (0..<3).compactMap { list[$0]["occurred_at"].string }
        #expect(times == times.sorted())
        let table = try await SluiceCommand.run(["events", "query", "acme", "--limit", "1"], on: scene.migrated)
        #expect(table.output.contains("OCCURRED AT") && table.output.split(separator: "\n").count == 2, "\(table.output)")
        let tail = try await SluiceCommand.run(["events", "tail", "acme", "-n", "5", "--output", "json"], on: scene.migrated)
        #expect(tail.status == .exited(0) && tail.output.split(separator: "\n").count == 5, "\(tail.output)")
        // A field is an option too.
        for field in [["--serial", Webhook.serial], ["--serial=\(Webhook.serial)"]] {
            let run = try await SluiceCommand.run(
                ["events", "query", "acme"] + field + ["--actor", "u1", "--limit", "3", "--output", "json"],
                on: scene.migrated
            )
            #expect(JSONValue(run.output).count == 3, "\(run.output)")
        }
        let none = try await SluiceCommand.run(["events", "query", "acme", "--serial", "other", "--output", "json"], on: scene.migrated)
        #expect(none.status == .exited(0) && JSONValue(none.output).count == 0, "\(none.output)")
        for (arguments, says) in [
            (["--where", "colour=red"], "colour"), (["--colour", "red"], "colour"), (["--serial"], "--serial"), (["-z", "1"], "-z"),
            (["globex"], "globex"), (["--serial", ""], "--serial"),
        ] {
            let run = try await SluiceCommand.run(["events", "query", "acme"] + arguments, on: scene.migrated)
            #expect(run.status == .exited(64) && run.output.contains(says), "\(arguments): \(run.output)")
        }
        await scene.server.stop()
    }

    @Test func followsWithoutMissingOrRepeating() async throws {
        let scene = try await Scene.make()
        try await fill(scene, 0..<5)
        let folder = try ScratchFolder()
        defer { folder.remove() }
        let command = try SluiceCommand.command(
            ["events", "tail", "acme", "-f", "-n", "2", "--output", "json"],
            on: scene.migrated,
            output: .appended(to: folder.path("tail"))
        )
        let process = try await ProcessSpawner.shared.spawn(command)
        let ids = { () -> [String] in
            let text = (try? String(contentsOfFile: folder.path("tail"), encoding: .utf8)) ?? ""
            return text.split(separator: "\n").compactMap { JSONValue(String($0))["id"].string }
        }
        #expect(try await eventually(within: .seconds(20)) { ids().count == 2 })
        for part in 1...3 { try await fill(scene, (part * 10)..<(part * 10 + 7)) }
        // A request that began a while ago, and is committed only now.
        try await scene.migrated.psql(
            """
            INSERT INTO events SELECT tenant_id, occurred_at - interval '1 hour', gen_random_uuid(), now() - interval '20 seconds', source_id,
                   version_no, type, actor, machine, k1, k2, k3, k4, k5, k6, k7, k8, fields, extra FROM events LIMIT 1
            """
        )
        #expect(try await eventually(within: .seconds(20)) { ids().count >= 2 + 21 + 1 }, "\(ids().count)")
        await process.terminate(grace: .seconds(5))
        #expect(ids().count == 24 && Set(ids()).count == 24)
        await scene.server.stop()
    }

    @Test func exportsToAFileWithItsManifestAndGoesOnWhereItStopped() async throws {
        let scene = try await Scene.make()
        try await ExportTests.fill(scene)
        let folder = try ScratchFolder()
        defer { folder.remove() }
        let file = folder.path("events.csv.gz")
        let arguments = ["export", "acme", "--format", "csv", "--gzip", "--out", file, "--output", "json"]
        let run = try await SluiceCommand.run(arguments, on: scene.migrated)
        #expect(run.status == .exited(0), "\(run.output)")
        #expect(JSONValue(run.output)["rows"].int == ExportTests.hostile.count && JSONValue(run.output)["complete"].bool == true)
        let cells = try await ExportTests.column("reason", of: file)
        #expect(cells.count == ExportTests.hostile.count && cells.contains("'=1+1"))

        let again = try await SluiceCommand.run(arguments, on: scene.migrated)
        #expect(again.status == .exited(64) && again.output.contains("--resume"), "\(again.output)")

        // As if it had been interrupted behind its first checkpoint: bytes that the manifest does not know are cut off.
        let manifestPath = file + ".manifest.json"
        let manifest = try String(contentsOfFile: manifestPath, encoding: .utf8)
        try manifest.replacing("\"complete\" : true", with: "\"complete\" : false")
            .write(toFile: manifestPath, atomically: true, encoding: .utf8)
        let handle = try #require(FileHandle(forWritingAtPath: file))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("half a row".utf8))
        try handle.close()
        _ = try await scene.server.post("/v1/events", try ExportTests.body(500, reason: "later"), key: scene.ingest)
        let other = try await SluiceCommand.run(["export", "acme", "--format", "ndjson", "--out", file, "--resume"], on: scene.migrated)
        #expect(other.status == .exited(64) && other.output.contains("other options"), "\(other.output)")
        let resumed = try await SluiceCommand.run(arguments + ["--resume"], on: scene.migrated)
        #expect(resumed.status == .exited(0), "\(resumed.output)")
        #expect(try await ExportTests.column("reason", of: file) == cells + ["later"])
        let sum = try await ProcessSpawner.shared.run(ChildCommand("/usr/bin/sha256sum", [file], environment: [:]))
        #expect(sum.output.hasPrefix(JSONValue(resumed.output)["sha256"].string ?? "?"), "\(sum.output) \(resumed.output)")

        // A place between two events, where a long search was when it was interrupted; and one that is none.
        let after = try String(contentsOfFile: manifestPath, encoding: .utf8).replacing("\"complete\" : true", with: "\"complete\" : false")
        for (id, status, says) in [(EventID.least.description, 0, "true"), ("00000000-0000-0000-0000-000000000000", 1, "no event's id")] {
            try after.replacing(/"id" : "[^"]+"/, with: "\"id\" : \"\(id)\"").replacing(/"microseconds_since1970" : [0-9]+/) { match in
                "\"microseconds_since1970\" : \((Int(match.output.split(separator: " ").last ?? "") ?? 0) + 1)"
            }.write(toFile: manifestPath, atomically: true, encoding: .utf8)
            let between = try await SluiceCommand.run(arguments + ["--resume"], on: scene.migrated)
            #expect(between.status == .exited(Int32(status)) && between.output.contains(says), "\(between.output)")
            let found = try await ExportTests.column("reason", of: file)
            #expect(found == cells + ["later"], "nothing comes twice: \(found.count) of \(cells.count) and one; \(between.output)")
        }

        try manifest.replacing("\"complete\" : true", with: "\"complete\" : false").replacing(
            "\"reason\" : \"string\"",
            with: "\"grund\" : \"string\""
        )
        .write(toFile: manifestPath, atomically: true, encoding: .utf8)
        let reshaped = try await SluiceCommand.run(arguments + ["--resume"], on: scene.migrated)
        #expect(reshaped.status == .exited(1) && reshaped.output.contains("would be of two shapes"), "\(reshaped.output)")

        try Data("not it".utf8).write(to: URL(filePath: file))
        try manifest.replacing("\"complete\" : true", with: "\"complete\" : false")
            .write(toFile: manifestPath, atomically: true, encoding: .utf8)
        let changed = try await SluiceCommand.run(arguments + ["--resume"], on: scene.migrated)
        #expect(changed.status == .exited(1) && changed.output.contains("not what its manifest says"), "\(changed.output)")

        let standard = try await SluiceCommand.run(["export", "acme", "--format", "ndjson", "--reason", "later"], on: scene.migrated)
        #expect(standard.output.split(separator: "\n").count == 1, "\(standard.output)")
        await scene.server.stop()
    }

    /// With checkpoints of its own: what is behind the last one is thrown away and written once more.
    @Test func goesOnWithAnExportThatWasKilled() async throws {
        let scene = try await Scene.make()
        try await fill(scene, 0..<1)
        let rows = 300_000
        try await scene.migrated.psql(
            """
            INSERT INTO events (tenant_id, occurred_at, id, received_at, source_id, version_no, fields, extra)
            SELECT tenant_id, occurred_at - n * interval '1 ms',
                   overlay(overlay(gen_random_uuid()::text PLACING '8' FROM 15) PLACING 'a' FROM 20)::uuid, received_at, source_id, version_no, fields, extra
            FROM events, generate_series(1, \(rows - 1)) n
            """
        )
        let folder = try ScratchFolder()
        defer { folder.remove() }
        let file = folder.path("events.ndjson")
        let arguments = ["export", "acme", "--format", "ndjson", "--out", file, "--output", "json"]
        let process = try await ProcessSpawner.shared.spawn(
            SluiceCommand.command(arguments, on: scene.migrated, output: .appended(to: folder.path("said")))
        )
        let manifest = { JSONValue((try? String(contentsOfFile: file + ".manifest.json", encoding: .utf8)) ?? "null") }
        let began = try await eventually(within: .seconds(120)) { (manifest()["rows"].int ?? 0) > 0 }
        _ = await process.terminate(signal: SIGKILL, grace: .seconds(5))
        let kept = manifest()
        let size = try #require(try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int)
        #expect(began && kept["complete"].bool == false, "it was to be killed half-way: \(kept)")
        #expect((kept["rows"].int ?? 0) < rows && (kept["bytes"].int ?? .max) <= size, "\(kept)")

        let resumed = try await SluiceCommand.run(arguments + ["--resume"], on: scene.migrated)
        #expect(resumed.status == .exited(0) && JSONValue(resumed.output)["rows"].int == rows, "\(resumed.output)")
        // A line's first member is its id.
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == rows && Set(lines.map { $0.prefix(45) }).count == rows)
        #expect(lines.allSatisfy { $0.utf8.starts(with: #"{"id":""#.utf8) })
        await scene.server.stop()
    }

    @Test func showsHowFarAnExportIsOnATerminal() async throws {
        let scene = try await Scene.make()
        try await fill(scene, 0..<20)
        let folder = try ScratchFolder()
        defer { folder.remove() }
        var command = try SluiceCommand.command(["export", "acme", "--out", folder.path("events.csv")], on: scene.migrated)
        let words = [command.executable] + command.arguments
        // util-linux' script gives it a terminal.
        (command.executable, command.arguments) = ("/usr/bin/script", ["-qec", words.joined(separator: " "), "/dev/null"])
        let run = try await ProcessSpawner.shared.run(command)
        #expect(run.status == .exited(0), "\(run.output)")
        let shown = try #require(
            run.output.firstMatch(of: /\r(\[[#-]{20}\] 20 rows, [0-9]+\/s, 0 MB, [0-9]+ %[^\r]*)\r +\r/),
            "\(run.output)"
        )
        #expect(run.output.matches(of: /\[[#-]{20}\]/).count == 1, "\(shown.1)")
        #expect(run.output.contains("true"), "the table at the end: \(run.output)")
        await scene.server.stop()
    }
}
