import Access
import EventStore
import Foundation
import Synchronization
import TestSupport
import Testing

/// Made-up keys, as fast as they come.
@Suite(.serialized) struct KeyFloodTests {
    /// What one connection of the flood was answered, by status.
    private typealias Statuses = [String: Int]

    /// Sends requests by the dozen over one connection, on a thread of its own, until there are no more or enough were answered.
    private func flood(
        _ server: RunningServer,
        with keys: ArraySlice<String>,
        until isEnough: @escaping @Sendable (_ answered: Int) -> Bool
    ) async -> Statuses {
        await withCheckedContinuation { continuation in
            Thread {
                var statuses: Statuses = [:]
                var rest = keys
                if let descriptor = try? server.open() {
                    while !rest.isEmpty, !isEnough(keys.count - rest.count) {
                        let dozen = rest.prefix(12)
                        rest = rest.dropFirst(12)
                        let requests = dozen.map {
                            "POST /v1/events HTTP/1.1\r\nHost: x\r\nX-API-Key: \($0)\r\nContent-Length: 2\r\n\r\n{}"
                        }
                        guard (try? RunningServer.write(requests.joined(), to: descriptor)) != nil,
                            let answers = Self.read(dozen.count, from: descriptor)
                        else { break }
                        for answer in answers { statuses[answer, default: 0] += 1 }
                    }
                    close(descriptor)
                }
                continuation.resume(returning: statuses)
            }.start()
        }
    }

    /// The statuses of so many responses.
    private static func read(_ count: Int, from descriptor: Int32) -> [String]? {
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let received = recv(descriptor, &buffer, buffer.count, 0)
            guard received > 0 else { return nil }
            text += String(decoding: buffer.prefix(received), as: UTF8.self)
            let heads = text.components(separatedBy: "HTTP/1.1 ").dropFirst()
            // A problem's body ends the response, and is one object.
            if heads.count == count, heads.last?.hasSuffix("}") == true { return heads.map { String($0.prefix(3)) } }
        }
    }

    @Test func costsAGoodSenderNothingAndTheDatabaseLittle() async throws {
        let scene = try await Scene.make()
        try await scene.server.use(scene.query)
        #expect(try await scene.server.post("/v1/events", Webhook.body(), key: scene.ingest).status == 200)
        let keys = (0..<20_000).map { number in
            let key = APIKey.generate(.ingest).text
            return number % 2 == 0 ? key : "\(key.dropLast())\(key.last == "0" ? "1" : "0")"
        }
        let lookUps = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'api_keys_pkey'"
        let before = Int(try await scene.migrated.psql(lookUps)) ?? 0
        let start = ContinuousClock.now
        let isOver = Atomic(false)
        let stored = Atomic(0)
        async let good = goodSender(scene) { count in
            stored.store(count, ordering: .relaxed)
            return isOver.load(ordering: .relaxed)
        }
        // Three seconds, and on a slow machine as many as it takes for the counts below to say something.
        let isEnough = { @Sendable (answered: Int) in
            let took = ContinuousClock.now - start
            return took > .seconds(60) || took > .seconds(3) && answered > 100 && stored.load(ordering: .relaxed) > 5
        }
        let statuses = await withTaskGroup(of: Statuses.self) { group in
            for part in 0..<4 {
                group.addTask { await flood(scene.server, with: keys[(part * 5000)..<((part + 1) * 5000)], until: isEnough) }
            }
            return await group.reduce(into: Statuses()) { sum, part in sum.merge(part, uniquingKeysWith: +) }
        }
        let took = ContinuousClock.now - start
        isOver.store(true, ordering: .relaxed)
        let answers = try await good
        #expect(answers.count > 5 && answers.allSatisfy { $0 == 200 }, "\(answers)")
        #expect(Set(statuses.keys).isSubset(of: ["401", "429", "503"]), "\(statuses)")
        let asked = statuses.values.reduce(0, +)
        #expect(asked > 200 && (statuses["401"] ?? 0) >= 20, "\(statuses)")

        // Backends report all of their counts when they end; a pooler would keep them.
        await scene.server.stop()
        let backends =
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'sluice_api' AND datname = current_database()"
        #expect(try await eventually { try await scene.migrated.psql(backends) == "0" })
        let after = Int(try await scene.migrated.psql(lookUps)) ?? 0
        let bound = 1000 + 500 * (Int(took.components.seconds) + 1)
        #expect(after - before <= bound, "\(after - before) look-ups for \(asked) keys in \(took)")
        print(
            "flood: \(asked) keys in \(took), \(statuses), \(after - before) look-ups (bound \(bound)), good sender \(answers.count) × 200"
        )
        await scene.server.stop()
    }

    private func goodSender(_ scene: Scene, until isOver: @Sendable (_ answers: Int) -> Bool) async throws -> [Int] {
        var answers: [Int] = []
        repeat {
            let body = Webhook.body(secondsLater: Int64(answers.count))
            answers.append(try await scene.server.post("/v1/events", body, key: scene.ingest).status)
        } while !isOver(answers.count)
        return answers
    }
}
