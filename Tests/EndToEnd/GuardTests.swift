import Foundation
import LocalCluster
import Postgres
import TestSupport
import Testing

/// What a connection may cost the server.
@Suite(.fewAtOnce) struct GuardTests {
    /// A limit that is taken for another is none.
    @Test(arguments: [
        "MAX_BODY_BYTES", "MAX_DECOMPRESSED_BYTES", "MAX_RECORD_BYTES", "MAX_CONNECTIONS", "DB_CONNECTIONS", "DB_LANES", "REPLICAS",
    ])
    func doesNotStartWithASettingThatIsNoNumber(name: String) async throws {
        let migrated = try await MigratedDatabase.make()
        let run = try await ProcessSpawner.shared.run(
            ChildCommand(
                try BuiltProgram.path("sluice-api"),
                environment: ["DATABASE_URL": migrated.apiURL, "LISTEN": "127.0.0.1:0", "ADMIN_LISTEN": "127.0.0.1:0", name: "100KiB"]
            )
        )
        #expect(run.status == .exited(1) && run.output.contains("\(name) is a whole number"), "\(run.output)")
    }

    @Test(arguments: [("--help", 0), ("-h", 0), ("--listen", 64)])
    func saysWhereItsSettingsComeFrom(argument: String, status: Int32) async throws {
        let run = try await ProcessSpawner.shared.run(ChildCommand(try BuiltProgram.path("sluice-api"), [argument], environment: [:]))
        #expect(run.status == .exited(status) && run.output.contains("takes no arguments"), "\(run.output)")
    }

    /// Fluent Bit would throw a whole chunk away for a 422.
    @Test func takesNewRequestsByTheProfileThatItsSourceWasGiven() async throws {
        let scene = try await Scene.make()
        let refused = #"{"event":"what the schema does not take"}"#
        #expect(try await scene.server.post("/v1/events", refused, key: scene.ingest).status == 422)
        let update = try await SluiceCommand.run(["source", "update", "acme", "default", "--profile", "fluent-bit"], on: scene.migrated)
        #expect(update.status == .exited(0), "\(update.output)")
        #expect(try await eventually { try await scene.server.post("/v1/events", refused, key: scene.ingest).status == 200 })
        await scene.server.stop()
    }

    @Test func answers408WhenABodyDoesNotCome() async throws {
        let scene = try await Scene.make(environment: ["REQUEST_DEADLINE": "1s"])
        let head = "POST \(scene.hookPath) HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"admin\":"
        let answer = String(decoding: try scene.server.exchange(head), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 408 ") && answer.contains("\"too_slow\""), "\(answer)")
        #expect(try await scene.server.post(scene.hookPath, Webhook.body()).status == 200, "others feel nothing")
        await scene.server.stop()
    }

    @Test func answersATooLargeBodyBeforeItComes() async throws {
        let scene = try await Scene.make()
        let head = "POST /v1/events HTTP/1.1\r\nHost: x\r\nX-API-Key: \(scene.ingest)\r\nContent-Length: 999999999999\r\n\r\n{"
        let answer = String(decoding: try scene.server.exchange(head), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 413 "), "\(answer)")
        await scene.server.stop()
    }

    @Test func saysContinueToASenderThatWaitsForIt() async throws {
        let scene = try await Scene.make()
        let body = Webhook.body()
        let descriptor = try scene.server.open()
        let head =
            "POST /v1/events HTTP/1.1\r\nHost: x\r\nX-API-Key: \(scene.ingest)\r\nConnection: close\r\n"
            + "Expect: 100-continue\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
        try RunningServer.write(head, to: descriptor)
        var first = [UInt8](repeating: 0, count: 12)
        #expect(recv(descriptor, &first, first.count, Int32(MSG_WAITALL)) == 12)
        #expect(String(decoding: first, as: UTF8.self) == "HTTP/1.1 100")
        try RunningServer.write(body, to: descriptor)
        let answer = String(decoding: try RunningServer.readToEnd(descriptor), as: UTF8.self)
        #expect(answer.contains("HTTP/1.1 200 ") && answer.contains("\"accepted\":1"), "\(answer)")
        await scene.server.stop()
    }

    @Test func tellsAHookNothingBeforeItsEventIsStored() async throws {
        let scene = try await Scene.make(environment: ["REQUEST_DEADLINE": "1s"])
        let body = Webhook.body()
        let head = "POST \(scene.hookPath) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
        let bytes = try scene.server.exchange(head + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        #expect(String(decoding: bytes, as: UTF8.self).hasPrefix("HTTP/1.1 200 "), "no 100 comes before it")
        await scene.server.stop()
    }

    @Test func neverAnswersOneRequestForAnother() async throws {
        let scene = try await Scene.make(environment: ["REQUEST_DEADLINE": "2s"])
        let blocker = try await scene.migrated.connect()
        try await blocker.executeScript("BEGIN; LOCK TABLE sluice.sources", deadline: .now + .seconds(10))
        let body = Webhook.body()
        let first = "POST \(scene.hookPath) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        // The second one's body never comes, and the first waits for the database as long.
        let bytes = try scene.server.exchange(first + "POST \(scene.hookPath) HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        #expect(bytes.isEmpty, "\(String(decoding: bytes, as: UTF8.self))")
        await blocker.close()
        await scene.server.stop()
    }

    @Test func refusesHeadersWithoutEnd() async throws {
        let scene = try await Scene.make()
        let fields = String(repeating: "X-Filler: \(String(repeating: "a", count: 1000))\r\n", count: 200)
        let answer = try scene.server.exchange("GET /livez HTTP/1.1\r\nHost: x\r\n\(fields)\r\n")
        #expect(!String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.1 200"))
        #expect(try await scene.server.get("/livez").status == 200)
        await scene.server.stop()
    }

    @Test func finishesWhatIsInFlightWhenItIsStopped() async throws {
        let scene = try await Scene.make(environment: ["REQUEST_DEADLINE": "60s"])
        let body = Webhook.body()
        let descriptor = try scene.server.open()
        let head =
            "POST /v1/events HTTP/1.1\r\nHost: x\r\nX-API-Key: \(scene.ingest)\r\nExpect: 100-continue\r\n"
            + "Content-Length: \(body.utf8.count)\r\n\r\n"
        try RunningServer.write(head, to: descriptor)
        // Its answer tells that the request is in.
        var first = [UInt8](repeating: 0, count: 12)
        #expect(recv(descriptor, &first, first.count, Int32(MSG_WAITALL)) == 12)
        try RunningServer.write(String(body.prefix(50)), to: descriptor)
        scene.server.process.signal(SIGTERM)
        let isClosed = try await eventually { (try? await scene.server.get("/livez")) == nil }
        #expect(isClosed, "no new connection is taken")
        try RunningServer.write(String(body.dropFirst(50)), to: descriptor)
        let answer = String(decoding: try RunningServer.readToEnd(descriptor), as: UTF8.self)
        #expect(answer.contains("HTTP/1.1 200 ") && answer.contains("\"accepted\":1"), "\(answer)")
        #expect(await scene.server.process.waitForExit(within: .seconds(10)) == .exited(0))
        await scene.server.stop()
    }
}
