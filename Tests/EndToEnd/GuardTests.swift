import Foundation
import LocalCluster
import TestSupport
import Testing

/// What a connection may cost the server.
@Suite struct GuardTests {
    @Test func answers408WhenABodyDoesNotCome() async throws {
        let scene = try await Scene.make(environment: ["REQUEST_DEADLINE": "1s"])
        let head = "POST \(scene.hookPath) HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"admin\":"
        let answer = String(decoding: try scene.server.exchange(head), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 408 ") && answer.contains("\"too_slow\""), "\(answer)")
        #expect(try await scene.server.post(scene.hookPath, Webhook.body()).status == 200, "others feel nothing")
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
        let scene = try await Scene.make()
        let body = Webhook.body()
        let descriptor = try scene.server.open()
        let head = "POST \(scene.hookPath) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
        try RunningServer.write(head + body.prefix(50), to: descriptor)
        scene.server.process.signal(SIGTERM)
        let isClosed = try await eventually { (try? await scene.server.get("/livez")) == nil }
        #expect(isClosed, "no new connection is taken")
        try RunningServer.write(String(body.dropFirst(50)), to: descriptor)
        let answer = String(decoding: try RunningServer.readToEnd(descriptor), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.contains("\"accepted\":1"), "\(answer)")
        #expect(await scene.server.process.waitForExit(within: .seconds(10)) == .exited(0))
        await scene.server.stop()
    }
}
