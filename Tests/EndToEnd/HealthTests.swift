import Foundation
import LocalCluster
import TestSupport
import Testing

@Suite struct HealthTests {
    @Test func answersHeadLikeGetWithoutABody() async throws {
        let cluster = try await TestCluster.startPrivate()
        let scene = try await Scene.make(in: cluster)
        let server = scene.server
        #expect(try await eventually { try await server.get("/readyz").status == 200 })
        func head(_ path: String) throws -> String {
            // A second request on the connection is answered right only if the first one's answer had no body.
            let requests = "HEAD \(path) HTTP/1.1\r\nHost: x\r\n\r\nHEAD \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            return String(decoding: try server.exchange(requests), as: UTF8.self)
        }
        for path in ["/livez", "/readyz", "/openapi.yaml"] {
            let text = try head(path)
            #expect(text.components(separatedBy: "HTTP/1.1 200 OK\r\n").count == 3 && text.hasSuffix("\r\n\r\n"), "\(path): \(text)")
            #expect(!text.contains("{"), "\(text)")
        }
        #expect(try head("/v1/events").components(separatedBy: "HTTP/1.1 401 Unauthorized\r\n").count == 3)
        #expect(!(try head("/nope").contains("{")))
        try await cluster.stop(.fast)
        #expect(try await eventually { try await server.get("/readyz").status == 503 })
        let text = try head("/readyz")
        #expect(text.components(separatedBy: "HTTP/1.1 503 Service Unavailable\r\n").count == 3 && !text.contains("{"), "\(text)")
        await server.stop()
        try await cluster.remove()
    }

    @Test func asksTheDatabaseOnceASecondHoweverManyAskIt() async throws {
        let scene = try await Scene.make()
        _ = try await scene.server.get("/readyz")
        let before = MetricsTests.sum("sluice_database_probes_total", try await MetricsTests.metrics(scene.server))
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<10 {
                group.addTask {
                    for _ in 0..<100 {
                        // A probe that a busy machine makes late says 503; how many there are is the same.
                        let status = try await scene.server.get("/readyz").status
                        #expect(status == 200 || status == 503)
                    }
                }
            }
            try await group.waitForAll()
        }
        let seconds = Int((ContinuousClock.now - start).components.seconds)
        let probes = MetricsTests.sum("sluice_database_probes_total", try await MetricsTests.metrics(scene.server)) - before
        #expect(probes <= seconds + 2, "\(probes) probes in \(seconds) s")
        await scene.server.stop()
    }

    @Test func saysThatItClosesBeforeItDoes() async throws {
        let scene = try await Scene.make(environment: ["DRAIN_DELAY": "8s"])
        let server = scene.server
        #expect(try await eventually { try await server.get("/readyz").status == 200 })
        server.process.signal(SIGTERM)
        let isClosing = try await eventually {
            let reply = try await server.get("/readyz")
            return reply.status == 503 && reply.json["code"].string == "closing"
        }
        #expect(isClosing)
        #expect(try await server.post("/v1/events", Webhook.body(), key: scene.ingest).status == 200, "it still takes what comes")
        #expect(try await server.get("/livez").status == 200)
        await server.process.terminate(grace: .seconds(10))
        #expect(server.process.status == .exited(0))
        let lines = server.log.split(separator: "\n")
        #expect(lines.contains { $0.contains("/livez") })
        #expect(lines.filter { $0.contains(" error ") }.isEmpty, "nothing went wrong")
        await server.stop()
    }

    @Test func describesEveryRouteThatThereIs() async throws {
        let scene = try await Scene.make()
        let reply = try await scene.server.get("/openapi.yaml")
        #expect(reply.status == 200 && reply.body.hasPrefix("openapi: 3.1.") && reply.headers["content-type"] == "application/yaml")
        var path = ""
        var described: Set<String> = []
        for line in reply.body.prefix(upTo: try #require(reply.body.range(of: "\ncomponents:")).lowerBound).split(separator: "\n") {
            if let match = line.wholeMatch(of: #/  (/[^:]*):/#) { path = String(match.1) }
            if let match = line.wholeMatch(of: #/    (get|put|post|delete|patch):/#) { described.insert("\(match.1.uppercased()) \(path)") }
        }
        let declared = Set(try DeclaredRoute.all().map(\.name))
        #expect(declared.subtracting(described).isEmpty, "not described")
        #expect(described.subtracting(declared).isEmpty, "described, but not there")
        await scene.server.stop()
    }

}
