import Foundation
import LocalCluster
import Postgres
import TestSupport
import Testing

/// The short way of plain requests: nothing that a sender sees tells it from the long one.
@Suite(.fewAtOnce) struct DirectIngestTests {
    /// A request in its bytes; the first on a connection, or after another.
    private func request(_ target: String, _ body: String, _ fields: String = "") -> String {
        "POST \(target) HTTP/1.1\r\nHost: x\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    private func statuses(_ answers: String) -> [String] {
        answers.components(separatedBy: "HTTP/1.1 ").dropFirst().map { String($0.prefix(3)) }
    }

    /// Its key and source are looked up by then.
    private func makeKnown(_ scene: Scene) async throws {
        for _ in 0..<2 { #expect(try await scene.server.post(scene.hookPath, Webhook.body()).status == 200) }
        #expect(try await scene.server.post("/v1/events", Webhook.body(), key: scene.ingest).status == 200)
    }

    /// Nothing can be stored until its transaction ends.
    private func lockEvents(_ scene: Scene) async throws -> Connection {
        let blocker = try await scene.migrated.connect()
        try await blocker.executeScript(
            "SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE sluice.events",
            deadline: .now + .seconds(10)
        )
        return blocker
    }

    private static let aLaneWaits =
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    @Test func answersRequestsThatFollowEachOtherInTheirOrder() async throws {
        let scene = try await Scene.make()
        try await makeKnown(scene)
        let key = "X-API-Key: \(scene.ingest)\r\n"
        var text = ""
        for number in 0..<40 {
            text += request(scene.hookPath, Webhook.body(user: "u\(number)"))
            switch number % 4 {
            case 0: text += "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
            case 1: text += request("/v1/events", Webhook.body(user: "v\(number)"), key)
            case 2: text += request("/v1/events", "{", key)
            default: text += request("/v1/events", Webhook.body(serial: nil), key)
            }
        }
        text += request(scene.hookPath, Webhook.body(user: "last"), "Connection: close\r\n")
        let answers = String(decoding: try scene.server.exchange(text), as: UTF8.self)
        let round = ["200", "404", "200", "200", "200", "400", "200", "422"]
        #expect(statuses(answers) == (0..<10).flatMap { _ in round } + ["200"])
        let stored = try await scene.migrated.psql("SELECT count(*), count(DISTINCT actor) FROM events WHERE actor <> 'john.doe'")
        #expect(stored == "51|51")
        await scene.server.stop()
    }

    @Test func takesABodyThatComesInPieces() async throws {
        let scene = try await Scene.make()
        try await makeKnown(scene)
        for cut in [1, 30, 60, 200] {
            let text = request(scene.hookPath, Webhook.body(user: "cut\(cut)"), "Connection: close\r\n")
            let descriptor = try scene.server.open()
            try RunningServer.write(String(text.prefix(cut)), to: descriptor)
            // Whatever is answered on another connection meanwhile, the first part has been read by then.
            #expect(try await scene.server.get("/livez").status == 200)
            try RunningServer.write(String(text.dropFirst(cut)), to: descriptor)
            let answer = String(decoding: try RunningServer.readToEnd(descriptor), as: UTF8.self)
            #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.contains("\"accepted\":1"), "cut at \(cut): \(answer)")
        }
        await scene.server.stop()
    }

    @Test func answersAsTheLongWayDoes() async throws {
        let scene = try await Scene.make()
        try await makeKnown(scene)
        let key = "Authorization: Bearer \(scene.ingest)\r\nConnection: close\r\n"
        func fields(_ answer: [UInt8]) -> [String] {
            let lines = String(decoding: answer, as: UTF8.self).components(separatedBy: "\r\n")
            return lines.map { $0.contains(":") && !$0.hasPrefix("{") ? $0.lowercased() : $0 }.sorted()
                .filter { !$0.hasPrefix("x-request-id") && !$0.hasPrefix("date") && !$0.hasPrefix("connection") }
        }
        for (number, type) in ["application/json", "application/json; charset=utf-8", "application/x-ndjson", "text/plain"].enumerated() {
            let type = "Content-Type: \(type)\r\n"
            let body = Webhook.body(user: "both", secondsLater: Int64(number))
            _ = try await scene.server.post("/v1/events", body, key: scene.ingest)
            let short = try scene.server.exchange(request("/v1/events", body, key + type))
            let chunked = "\(key)\(type)Transfer-Encoding: chunked\r\n"
            let size = String(body.utf8.count, radix: 16)
            let long = try scene.server.exchange("POST /v1/events HTTP/1.1\r\nHost: x\r\n\(chunked)\r\n\(size)\r\n\(body)\r\n0\r\n\r\n")
            #expect(fields(short) == fields(long))
            #expect(String(decoding: short, as: UTF8.self).contains("\"duplicates\":1"))
        }
        await scene.server.stop()
    }

    @Test func closesAHookWithoutAByteWhenItsEventCannotBeStored() async throws {
        let scene = try await Scene.make(environment: ["REQUEST_DEADLINE": "1s"])
        try await makeKnown(scene)
        let blocker = try await lockEvents(scene)
        #expect(try scene.server.exchange(request(scene.hookPath, Webhook.body(user: "new"))).isEmpty)
        let fields = "X-API-Key: \(scene.ingest)\r\nConnection: close\r\n"
        let answer = String(decoding: try scene.server.exchange(request("/v1/events", Webhook.body(user: "new"), fields)), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 503 ") && answer.lowercased().contains("retry-after: "), "\(answer)")
        await blocker.close()
        await scene.server.stop()
    }

    @Test func finishesWhatALaneHasWhenItIsStopped() async throws {
        let scene = try await Scene.make(environment: ["REQUEST_DEADLINE": "20s"])
        try await makeKnown(scene)
        let blocker = try await lockEvents(scene)
        let descriptor = try scene.server.open()
        try RunningServer.write(request(scene.hookPath, Webhook.body(user: "late")), to: descriptor)
        #expect(try await eventually { try await scene.migrated.psql(Self.aLaneWaits) == "t" })
        scene.server.process.signal(SIGTERM)
        let isShut = try await eventually {
            guard let another = try? scene.server.open() else { return true }
            close(another)
            return false
        }
        #expect(isShut, "no new connection is taken")
        try await blocker.executeScript("ROLLBACK", deadline: .now + .seconds(10))
        let answer = String(decoding: try RunningServer.readToEnd(descriptor), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.contains("\"accepted\":1"), "\(answer)")
        #expect(await scene.server.process.waitForExit(within: .seconds(10)) == .exited(0))
        await blocker.close()
        await scene.server.stop()
    }

    @Test func outlivesASenderThatLeaves() async throws {
        let scene = try await Scene.make(environment: ["REQUEST_DEADLINE": "20s"])
        try await makeKnown(scene)
        let blocker = try await lockEvents(scene)
        for number in 0..<5 {
            let descriptor = try scene.server.open()
            try RunningServer.write(request(scene.hookPath, Webhook.body(user: "gone\(number)")), to: descriptor)
            close(descriptor)
        }
        #expect(try await eventually { try await scene.migrated.psql(Self.aLaneWaits) == "t" })
        try await blocker.executeScript("ROLLBACK", deadline: .now + .seconds(10))
        let isStored = try await eventually {
            try await scene.migrated.psql("SELECT count(*) FROM events WHERE actor LIKE 'gone%'") == "5"
        }
        #expect(isStored)
        #expect(try await scene.server.post(scene.hookPath, Webhook.body(user: "gone1")).json["duplicates"].int == 1)
        await blocker.close()
        await scene.server.stop()
    }
}
