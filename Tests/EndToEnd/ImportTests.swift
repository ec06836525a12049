import EventCore
import EventStore
import Foundation
import LocalCluster
import TestSupport
import Testing

/// `sluice import privlog`: what PrivLog stored moves in, once.
@Suite(.fewAtOnce) struct ImportTests {
    /// Made by Python's sqlite3 module, as PrivLog's own database is.
    private func makeDatabase(_ path: String, rows: Int, extra: String = "") async throws {
        let program = """
            import datetime, sqlite3, sys
            con = sqlite3.connect(sys.argv[1])
            con.execute("create table priv_data(id integer primary key autoincrement, admin boolean, custom_serial text, delayed boolean, "
                        "event text, expires text, machine text, reason text, timestamp text, user text)")
            put = "insert into priv_data(admin,custom_serial,delayed,event,expires,machine,reason,timestamp,user) values(?,?,?,?,?,?,?,?,?)"
            start = datetime.datetime.fromtimestamp(\(Webhook.moment.microsecondsSince1970 / 1_000_000), datetime.timezone.utc)
            def row(i):
                at = start - datetime.timedelta(seconds=i)
                return (1, f"IMP{i:06d}", 0, "corp.sap.privileges.granted", "", "M", "Install / r", at.strftime("%Y-%m-%dT%H:%M:%SZ"), f"imp{i % 50}")
            con.executemany(put, [row(i) for i in range(int(sys.argv[2]))])
            \(extra)
            con.commit()
            """
        let run = try await ProcessSpawner.shared.run(
            ChildCommand(
                "/usr/bin/env",
                ["python3", "-c", program, path, "\(rows)"],
                environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"]
            )
        )
        #expect(run.status == .exited(0), "\(run.output)")
    }

    @Test func bringsEveryRowOnceHoweverOftenItIsRun() async throws {
        let scene = try await Scene.make()
        let folder = try ScratchFolder()
        defer { folder.remove() }
        try await makeDatabase(folder.path("data.db"), rows: 100_000)
        try "privlog-key-of-reports-0123456789:Reports\n".write(toFile: folder.path("keys"), atomically: true, encoding: .utf8)
        for (accepted, duplicates) in [(100_000, 0), (0, 100_000)] {
            let run = try await SluiceCommand.run(
                ["import", "privlog", folder.path("data.db"), "--tenant", "acme", "--api-keys", folder.path("keys"), "--output", "json"],
                on: scene.migrated
            )
            #expect(run.status == .exited(0), "\(run.output)")
            let counts = JSONValue(run.output)
            #expect(counts["rows"].int == 100_000 && counts["stored"].int == 100_000, "\(run.output)")
            #expect(counts["accepted"].int == accepted && counts["duplicates"].int == duplicates, "\(run.output)")
            #expect(try await scene.migrated.psql("SELECT count(*) FROM events") == "100000")
        }
        let old = ["X-API-Key": "privlog-key-of-reports-0123456789"]
        let isKnown = try await eventually { try await scene.server.get("/get-event-by-user/imp34", headers: old).status == 200 }
        #expect(isKnown, "a key of PrivLog's goes on working")
        let list = try await scene.server.get("/get-event-by-serial/IMP001234", headers: old)
        #expect(list.json.count == 1 && list.json[0]["user"].string == "imp34" && list.json[0]["reason"].string == "Install / r")
        let time = Timestamp(microsecondsSince1970: Webhook.moment.microsecondsSince1970 - 1_234 * 1_000_000).rfc3339()
        #expect(list.json[0]["timestamp"].string == time && list.json[0]["expires"].string == "", "\(list.body)")

        let again = """
            {"admin":true,"custom_data":{"serial":"IMP000007"},"delayed":true,"event":"corp.sap.privileges.granted","expires":"",\
            "machine":"M","reason":"Install \\/ r","timestamp":"\
            \(Timestamp(microsecondsSince1970: Webhook.moment.microsecondsSince1970 - 7 * 1_000_000).rfc3339())","user":"imp7"}
            """
        let sent = try await scene.server.post("/privileges/\(scene.hook)", again)
        #expect(sent.json["duplicates"].int == 1, "what its Mac sends once more is the same event: \(sent.body)")
        await scene.server.stop()
    }

    @Test func putsBadRowsIntoQuarantineAndSaysSo() async throws {
        let scene = try await Scene.make()
        let folder = try ScratchFolder()
        defer { folder.remove() }
        let bad = """
            at = start.strftime("%Y-%m-%dT%H:%M:%SZ")
            good = (1, "S", 0, "e", "", "M", "r", at, "u")
            for change in [{0: "often"}, {1: None}, {7: "yesterday"}, {7: "1999-01-01T00:00:00Z"}, {6: b"\\x00\\xff"}, {0: None}]:
                con.execute(put, tuple(change.get(i, v) for i, v in enumerate(good)))
            con.execute(put, good)
            con.execute(put, good)
            """
        try await makeDatabase(folder.path("data.db"), rows: 0, extra: bad)
        for _ in 0..<2 {
            let run = try await SluiceCommand.run(
                ["import", "privlog", folder.path("data.db"), "--tenant", "acme", "--output", "json"],
                on: scene.migrated
            )
            let counts = JSONValue(run.output)
            #expect(run.status == .exited(0) && counts["rows"].int == 8 && counts["quarantined"].int == 6, "\(run.output)")
            #expect(counts["stored"].int == 1, "\(run.output)")
        }
        let kept = try await scene.migrated.psql("SELECT count(*) FROM quarantine")
        #expect(kept == "6", "the same bad rows again are counted, not kept twice")
        for (arguments, says) in [
            (["/nonexistent", "--tenant", "acme"], "cannot be read"), ([folder.path("data.db"), "--tenant", "nobody"], "no tenant nobody"),
            ([folder.path("data.db"), "--tenant", "acme", "--source", "x"], "no source x"),
        ] {
            let run = try await SluiceCommand.run(["import", "privlog"] + arguments, on: scene.migrated)
            #expect(run.status != .exited(0) && run.output.contains(says), "\(run.output)")
        }
        await scene.server.stop()
    }
}
