import AsyncHTTPClient
import Access
import EventStore
import Foundation
import LocalCluster
import TestSupport
import Testing

/// `GET /metrics` on the admin address: what it counts is what happened.
@Suite struct MetricsTests {
    /// A metric's sum over all series that have these labels.
    static func sum(_ name: String, _ text: String, where labels: String...) -> Int {
        text.split(separator: "\n").filter { line in
            (line.hasPrefix("\(name){") || line.hasPrefix("\(name) ")) && labels.allSatisfy { line.contains($0) }
        }.compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0) { $0 + Int($1) }
    }

    static func metrics(_ server: RunningServer) async throws -> String {
        try await server.send("GET", "/metrics", port: server.adminPort).body
    }

    /// What a client was told its records became.
    private struct Told {
        var answers = 0
        var unanswered = 0
        var received = 0
        var accepted = 0
        var duplicates = 0
        var quarantined = 0
        /// Of requests that were refused whole.
        var rejected = 0
    }

    @Test func countsWhatTheAnswersSaidAndWhatTheTablesHold() async throws {
        let scene = try await Scene.make()
        _ = try await scene.administration.createTenant(slug: "other", name: "Other", retentionDays: 3650)
        let otherKey = try await Scene.makeKey(.ingest, scene.administration, tenant: "other")
        let server = scene.server
        let told = try await withThrowingTaskGroup(of: Told.self) { group in
            for client in 0..<32 {
                group.addTask { try await Self.send(as: client, scene, key: client % 4 == 3 ? otherKey : scene.ingest) }
            }
            return try await group.reduce(into: Told()) { all, one in
                all.answers += one.answers
                all.received += one.received
                all.accepted += one.accepted
                all.duplicates += one.duplicates
                all.quarantined += one.quarantined
                all.rejected += one.rejected
            }
        }
        let text = try await Self.metrics(server)
        #expect(Self.sum("sluice_events_received_total", text) == told.received + told.rejected, "\(told)")
        #expect(Self.sum("sluice_events_accepted_total", text) == told.accepted, "\(told)")
        #expect(Self.sum("sluice_events_duplicates_total", text) == told.duplicates, "\(told)")
        #expect(Self.sum("sluice_events_quarantined_total", text) == told.quarantined, "\(told)")
        #expect(Self.sum("sluice_events_rejected_total", text) == told.rejected, "\(told)")
        #expect(try await scene.migrated.psql("SELECT count(*) FROM events") == "\(told.accepted)")
        #expect(try await scene.migrated.psql("SELECT coalesce(sum(count), 0) FROM quarantine") == "\(told.quarantined)")
        for slug in ["acme", "other"] {
            let rows = try await scene.migrated.psql("SELECT count(*) FROM events JOIN tenants USING (tenant_id) WHERE slug = '\(slug)'")
            #expect("\(Self.sum("sluice_events_accepted_total", text, where: "tenant=\"\(slug)\""))" == rows)
        }
        let requests = Self.sum("sluice_requests_total", text, where: "method=\"POST\"")
        #expect(requests == told.answers && Self.sum("sluice_request_duration_seconds_count", text, where: "method=\"POST\"") == requests)
        #expect(Self.sum("sluice_lane_batch_records_sum", text) >= told.accepted)
        await server.stop()
    }

    /// Good, repeated, bad and refused records, alone and in batches, plain and by the long way.
    private static func send(as client: Int, _ scene: Scene, key: String) async throws -> Told {
        var told = Told()
        for round in 0..<6 {
            let seconds = Int64(client * 1_000 + round)
            let good = Webhook.body(user: "user\(client)", secondsLater: seconds)
            let bad = Webhook.body(user: "bad\(client)-\(round)", secondsLater: seconds, serial: nil)
            let batch = "[\(good),\(Webhook.body(user: "b\(client)", secondsLater: seconds)),\(bad)]"
            for (path, body) in [
                ("/v1/events", good), ("/v1/events", good), ("/v1/events", bad), ("/v1/events", batch),
                ("/v1/events?on_invalid=reject", batch),
            ] {
                let reply = try await scene.server.post(path, body, key: key)
                told.answers += 1
                if reply.json["received"].int == nil {
                    // One record, and a problem about it: it is in quarantine.
                    told.received += 1
                    told.quarantined += 1
                } else if reply.status == 422 {
                    told.rejected += reply.json["received"].int ?? 0
                } else {
                    told.received += reply.json["received"].int ?? 0
                    told.accepted += reply.json["accepted"].int ?? 0
                    told.duplicates += reply.json["duplicates"].int ?? 0
                    told.quarantined += reply.json["quarantined"].int ?? 0
                }
            }
            let hooked = try await scene.server.post(scene.hookPath, Webhook.body(user: "h\(client)", secondsLater: seconds))
            told.answers += 1
            told.received += 1
            told.accepted += hooked.json["accepted"].int ?? 0
            told.duplicates += hooked.json["duplicates"].int ?? 0
        }
        // Refused before a record is read: nothing to conserve. Few are wrong keys: an address that tries many is told to wait.
        for (path, body) in [("/v1/events", "{"), ("/hooks/nope", "{}")] where client % 8 == 0 {
            _ = try await scene.server.post(path, body, key: path == "/v1/events" ? scene.query : nil)
            told.answers += 1
        }
        return told
    }

    @Test func tellsWhatMaintenanceDid() async throws {
        struct Failed: Error {}
        let migrated = try await MigratedDatabase.make()
        let log = MaintenanceLog(try await migrated.connect())
        let before = Int(Date().timeIntervalSince1970)
        try await log.recording("retention", detail: { _ in "nothing to do" }) {}
        try await log.recording("backup", detail: { _ in "made" }) {}
        _ = try? await log.recording("backup", detail: { _ in "" }) { throw Failed() }
        let server = try await RunningServer.start(databaseURL: migrated.apiURL)
        var text = ""
        let isTold = try await eventually {
            text = try await Self.metrics(server)
            return text.contains("\nsluice_maintenance_failed{")
        }
        #expect(isTold)
        for (task, hasFailed) in [("retention", 0), ("backup", 1)] {
            let label = "task=\"\(task)\""
            #expect(text.contains("\nsluice_maintenance_failed{\(label)} \(hasFailed)\n"), "\(text)")
            #expect(Self.sum("sluice_maintenance_last_start_timestamp_seconds", text, where: label) >= before)
            #expect(Self.sum("sluice_maintenance_last_success_timestamp_seconds", text, where: label) >= before)
            #expect(text.contains("\nsluice_maintenance_last_duration_seconds{\(label)} "))
        }
        await server.stop()
    }

    @Test func isOnTheAdminAddressAloneAndNothingElseIsThere() async throws {
        let scene = try await Scene.make()
        let server = scene.server
        let page = try await server.send("GET", "/metrics", port: server.adminPort)
        #expect(page.status == 200 && page.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
        #expect(try await server.get("/metrics").status == 404)
        #expect(try await server.get("/metrics", key: scene.admin).status == 404)
        for path in ["/", "/livez", "/v1/events", "/metrics/"] {
            #expect(try await server.send("GET", path, port: server.adminPort).status == 404, "\(path)")
        }
        #expect(try await server.send("POST", "/metrics", body: "x", port: server.adminPort).status == 405)
        await server.stop()
    }

    @Test func readsWellToPrometheusOwnChecker() async throws {
        let scene = try await Scene.make()
        _ = try await scene.server.post(scene.hookPath, Webhook.body())
        let text = try await Self.metrics(scene.server)
        let folder = try makeTestFolder("promtool")
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try text.write(toFile: "\(folder)/metrics", atomically: true, encoding: .utf8)
        let run = try await ProcessSpawner.shared.run(
            ChildCommand(
                "/bin/sh",
                ["-c", "exec \"$0\" check metrics < \"$1\"", try Tool.promtool.path, "\(folder)/metrics"],
                environment: [:]
            )
        )
        #expect(run.status == .exited(0) && run.output.isEmpty, "\(run.output)")
        await scene.server.stop()
    }

    @Test func isScrapedByPrometheus() async throws {
        let scene = try await Scene.make()
        for second in 0..<3 { _ = try await scene.server.post(scene.hookPath, Webhook.body(secondsLater: Int64(second))) }
        let folder = try makeTestFolder("prometheus")
        let port = try FreePort.find()
        let rules = Repository.root.appending(path: "deploy/prometheus/alerts.yml").path(percentEncoded: false)
        let configuration = """
            global: { scrape_interval: 200ms, evaluation_interval: 200ms }
            rule_files: ["\(rules)"]
            scrape_configs:
              - job_name: sluice
                scrape_timeout: 200ms
                static_configs: [{ targets: ["127.0.0.1:\(scene.server.adminPort)"] }]
            """
        try configuration.write(toFile: "\(folder)/prometheus.yml", atomically: true, encoding: .utf8)
        let prometheus = try await Tool.prometheus.start(
            ["--config.file=\(folder)/prometheus.yml", "--storage.tsdb.path=\(folder)/data", "--web.listen-address=127.0.0.1:\(port)"],
            log: "\(folder)/log"
        )
        let query = "/api/v1/query?query=sum(sluice_events_accepted_total%7Bjob%3D%22sluice%22%7D)"
        let isThere = try await eventually(within: .seconds(60)) {
            let reply = try? await scene.server.send("GET", query, port: port)
            return reply?.json["data"]["result"][0]["value"][1].string == "3"
        }
        let log = (try? String(contentsOfFile: "\(folder)/log", encoding: .utf8)) ?? ""
        #expect(isThere, "\(log.suffix(2_000))")
        let alerts = try await scene.server.send("GET", "/api/v1/rules", port: port)
        #expect(alerts.json["data"]["groups"][0]["rules"].count >= 10, "\(alerts.body.prefix(500))")
        await prometheus.terminate(grace: .seconds(5))
        await scene.server.stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    @Test func takesEventsAlsoWhileItsAdminAddressIsTaken() async throws {
        let first = try await Scene.make()
        let second = try await RunningServer.start(
            databaseURL: first.migrated.apiURL,
            environment: ["ADMIN_LISTEN": "127.0.0.1:\(first.server.adminPort)"]
        )
        #expect(try await eventually { second.log.contains("admin address cannot be listened on") })
        #expect(try await second.post("/v1/events", Webhook.body(), key: first.ingest).status == 200)
        await first.server.stop()
        let isBack = try await eventually(within: .seconds(20)) {
            (try? await second.send("GET", "/metrics", port: first.server.adminPort).status) == 200
        }
        #expect(isBack, "the address is taken over once it is free")
        await second.stop()
    }
}
