import Access
import EventStore
import Foundation
import LocalCluster
import TestSupport
import Testing

/// One line a request, whichever way it went.
@Suite struct AccessLogTests {
    /// The access lines, read as JSON.
    private func lines(_ log: String) -> [JSONValue] {
        log.split(separator: "\n").map { JSONValue(String($0)) }.filter { $0["message"].string == "Request" }
    }

    private func line(_ server: RunningServer, _ id: String) async throws -> JSONValue? {
        _ = try await eventually { lines(server.log).contains { $0["request_id"].string == id } }
        let found = lines(server.log).filter { $0["request_id"].string == id }
        #expect(found.count == 1, "one line for \(id): \(server.log.suffix(2_000))")
        return found.first
    }

    @Test func saysWhoCameAndWhatBecameOfIt() async throws {
        let scene = try await Scene.make(environment: ["LOG_FORMAT": "json", "LOG_LEVEL": "info"])
        let server = scene.server
        let key = try await scene.administration.createKey(tenant: "acme", kind: .hook, name: "MDM \"Berlin\"").text
        TestRun.register(key: key)
        for round in 0..<2 {
            // The first goes the long way, for the key is not known yet; the second the short one.
            let reply = try await server.post("/hooks/\(key)", Webhook.body(), headers: ["X-Request-Id": "hook-\(round)"])
            #expect(reply.status == 200 && reply.headers["x-request-id"] == "hook-\(round)")
            let line = try #require(try await line(server, "hook-\(round)"))
            #expect(line["method"].string == "POST" && line["route"].string == "/hooks/{key}" && line["status"].int == 200)
            #expect(line["tenant"].string == "acme" && line["key_name"].string == "MDM \"Berlin\"" && line["address"].string == "127.0.0.1")
            #expect(line["key_id"].string.map { key.dropFirst(9).hasPrefix($0) } == true)
            #expect(line["bytes_in"].int == Webhook.body().utf8.count && line["bytes_out"].int == reply.body.utf8.count)
            #expect(line["level"].string == "info" && !line["duration_ms"].isNull)
        }
        #expect(try await server.post("/v1/events", Webhook.body(), headers: ["X-Request-Id": "nobody"]).status == 401)
        let nobody = try #require(try await line(server, "nobody"))
        #expect(nobody["status"].int == 401 && nobody["tenant"].string == nil && nobody["key_id"].string == nil)
        #expect(try await server.get("/nope/\(key)", headers: ["X-Request-Id": "nowhere"]).status == 404)
        let nowhere = try #require(try await line(server, "nowhere"))
        #expect(nowhere["route"].string == "-" && nowhere["status"].int == 404)
        #expect(!server.log.contains(key) && !server.log.contains(Webhook.serial))
        await server.stop()
    }

    @Test func saysThatAConnectionWasClosedWithoutAnAnswer() async throws {
        let cluster = try await TestCluster.startPrivate()
        let scene = try await Scene.make(in: cluster, environment: ["LOG_FORMAT": "json", "LOG_LEVEL": "info", "REQUEST_DEADLINE": "1s"])
        #expect(try await scene.server.post(scene.hookPath, Webhook.body()).status == 200)
        try await cluster.stop(.fast)
        #expect(try scene.hookBytes(Webhook.body(secondsLater: 1)).isEmpty)
        let isThere = try await eventually { lines(scene.server.log).contains { $0["status"].string == "closed" } }
        #expect(isThere, "\(scene.server.log.suffix(1_000))")
        let text = try await MetricsTests.metrics(scene.server)
        #expect(MetricsTests.sum("sluice_requests_total", text, where: "status=\"closed\"", "route=\"/hooks/{key}\"") == 1)
        await scene.server.stop()
        try await cluster.remove()
    }

    @Test func takesASendersNameForARequestOnlyIfItIsAName() async throws {
        let scene = try await Scene.make()
        let taken = ["a", "A-b_c.9", String(repeating: "x", count: 128)]
        let refused = ["", "a b", "a/b", "ä", String(repeating: "x", count: 129), "a;b", "slc_hook_x", "{}"]
        for path in ["/v1/events", "/livez"] {
            for name in taken + refused {
                for _ in 0..<2 {
                    let body = path == "/livez" ? nil : Webhook.body()
                    let reply = try await scene.server.send(
                        body == nil ? "GET" : "POST",
                        path,
                        body: body,
                        key: scene.ingest,
                        headers: ["X-Request-Id": name]
                    )
                    let answered = try #require(reply.headers["x-request-id"])
                    #expect(reply.status == 200 && (answered == name) == taken.contains(name), "\(path) \(name): \(answered)")
                    #expect(!answered.isEmpty)
                }
            }
        }
        let problem = try await scene.server.get("/v1/events", headers: ["X-Request-Id": "my-name"])
        #expect(problem.json["request_id"].string == "my-name")
        await scene.server.stop()
    }

    /// Bytes as an attacker sends them, past any client's care.
    @Test func letsNoHeaderForgeALine() async throws {
        let scene = try await Scene.make(environment: ["LOG_LEVEL": "trace"])
        let evil = [
            "x\u{1B}[2J\u{1B}[31m", "x\"} {\"level\":\"error\",\"message\":\"forged\"", "x status=200 tenant=forged",
            "x\u{85}forged\u{2028}forged",
            "x%0aforged", "\\n2026-01-01T00:00:00Z error forged",
        ]
        for value in evil {
            for header in ["X-Request-Id", "User-Agent", "X-Forwarded-For", "x-source-id", "Content-Type", "Idempotency-Key"] {
                let body = Webhook.body()
                _ = try scene.server.exchange(
                    """
                    POST /v1/events?\(value.utf8.contains(0x20) ? "" : "x") HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer \(scene.ingest)\r\n\
                    \(header): \(value)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)
                    """
                )
            }
        }
        _ = try await scene.server.get("/livez", headers: ["X-Request-Id": "last"])
        #expect(try await eventually { scene.server.log.contains("request_id=last") })
        let log = scene.server.log
        #expect(!log.utf8.contains(0x1B) && !log.unicodeScalars.contains { ["\u{85}", "\u{2028}"].contains($0) })
        let start = #/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z (trace|debug|info|notice|warning|error|critical) /#
        for line in log.split(separator: "\n") {
            #expect(line.firstMatch(of: start) != nil && !line.contains(" error forged"), "\(line)")
            #expect(!line.contains(" tenant=forged"), "\(line)")
        }
        await scene.server.stop()
    }

    @Test func storesOnWhileNobodyReadsItsLog() async throws {
        let scene = try await Scene.make()
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        // A pipe that is open and full: its reader is there and reads nothing.
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        let junk = [UInt8](repeating: 10, count: 4_096)
        while write(ends[1], junk, junk.count) > 0 {}
        _ = fcntl(ends[1], F_SETFL, 0)
        let server = try await RunningServer.start(
            databaseURL: scene.migrated.apiURL,
            environment: ["LOG_LEVEL": "trace"],
            output: .descriptor(ends[1])
        )
        for second in 0..<200 {
            #expect(try await server.post(scene.hookPath, Webhook.body(secondsLater: Int64(second))).status == 200)
        }
        #expect(try await scene.migrated.psql("SELECT count(*) FROM events") == "200")
        let stopping = ContinuousClock.now
        await server.stop()
        #expect(ContinuousClock.now - stopping < .seconds(8), "the log's end is not waited for")
        close(ends[0])
        close(ends[1])
        await scene.server.stop()
    }

    @Test func keepsAFileADay() async throws {
        let folder = try makeTestFolder("logs")
        try Data().write(to: URL(filePath: "\(folder)/sluice-api-2001-01-01.log"))
        let scene = try await Scene.make(environment: ["LOG_DIR": folder, "LOG_FORMAT": "json"])
        _ = try await scene.server.get("/livez", headers: ["X-Request-Id": "in-a-file"])
        let isThere = try await eventually {
            let files = try FileManager.default.contentsOfDirectory(atPath: folder)
            guard files.count == 1, let file = files.first else { return false }
            return try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8).contains("\"request_id\":\"in-a-file\"")
        }
        #expect(isThere)
        await scene.server.stop()
        #expect(scene.server.log.isEmpty)
        try? FileManager.default.removeItem(atPath: folder)
        let refused = await #expect(throws: RunningServer.Stopped.self) {
            _ = try await RunningServer.start(databaseURL: scene.migrated.apiURL, environment: ["LOG_DIR": "/proc/nope"])
        }
        #expect(refused?.log.contains("LOG_DIR") == true)
    }
}
