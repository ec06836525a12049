import EventCore
import EventStore
import Foundation
import LocalCluster
import TestSupport
import Testing

/// Everything that matches in one body, which tells whether it is whole.
@Suite(.fewAtOnce) struct ExportTests {
    /// What a spreadsheet, a terminal or a parser could stumble over.
    static let hostile = [
        "=1+1", "+1", "-1", "@x", "\tx", "\rx", "'=1", "''+1", "'; drop table events; --", "a,\"b\"\nc", "line\r\nend", "ümlaut \u{200F}",
        "\u{1}\u{1B}[31m", "\"", " ", "'", "x=1",
    ]

    static func body(_ second: Int, reason: String, user: String = "u") throws -> String {
        let quoted = String(decoding: try JSONEncoder().encode(reason), as: UTF8.self)
        return Webhook.body(user: user, secondsLater: Int64(second), reason: String(quoted.dropFirst().dropLast()))
    }

    static func fill(_ scene: Scene) async throws {
        let lines = try hostile.enumerated().map { try body($0.offset, reason: $0.element) }.joined(separator: "\n")
        let reply = try await scene.server.post(
            "/v1/events",
            lines,
            key: scene.ingest,
            headers: ["Content-Type": "application/x-ndjson"]
        )
        #expect(reply.json["accepted"].int == hostile.count, "\(reply.body)")
    }

    /// Python's csv module reads; `name` is the column wanted.
    static func column(_ name: String, of file: String) async throws -> [String] {
        let program = """
            import csv, gzip, json, sys
            data = open(sys.argv[1], 'rb').read()
            text = (gzip.decompress(data) if data[:2] == b'\\x1f\\x8b' else data).decode('utf-8')
            import io
            rows = list(csv.reader(io.StringIO(text, newline=''), strict=True))
            assert all(len(row) == len(rows[0]) for row in rows), 'rows differ in length'
            assert all(json.loads(row[-1]) is not None for row in rows[1:])
            print(json.dumps([row[rows[0].index(sys.argv[2])] for row in rows[1:]]))
            """
        let run = try await ProcessSpawner.shared.run(
            ChildCommand(
                "/usr/bin/env",
                ["python3", "-c", program, file, name],
                environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"]
            )
        )
        #expect(run.status == .exited(0), "\(run.output)")
        return try JSONDecoder().decode([String].self, from: Data(run.output.utf8))
    }

    @Test func hostileValuesComeBackUnchangedButForThePrefix() async throws {
        let scene = try await Scene.make()
        try await Self.fill(scene)
        let folder = FileManager.default.temporaryDirectory.appending(path: "sluice-export-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (query, isGuarded) in [("", true), ("&formulas=keep", false)] {
            let reply = try await scene.server.get("/v1/export?order=asc\(query)", key: scene.query)
            #expect(reply.status == 200 && reply.headers["content-type"]?.hasPrefix("text/csv") == true, "\(reply.headers)")
            let file = folder.appending(path: "a.csv").path(percentEncoded: false)
            try reply.body.write(toFile: file, atomically: true, encoding: .utf8)
            let cells = try await Self.column("reason", of: file)
            let starts = Set("=+-@\t\r".unicodeScalars)
            let expected = Self.hostile.map { value -> String in
                let first = value.unicodeScalars.first { $0 != "'" }
                return isGuarded && first.map(starts.contains) == true ? "'" + value : value
            }
            #expect(cells == expected)
        }
        let lines = try await scene.server.get("/v1/export?order=asc", key: scene.admin, headers: ["Accept": "application/x-ndjson"])
        let reasons = lines.body.split(separator: "\n", omittingEmptySubsequences: true).map {
            JSONValue(String($0))["fields"]["reason"].string
        }
        #expect(reasons == Self.hostile.map { $0 })
        #expect(try await scene.server.get("/v1/export", key: scene.ingest).status == 403)
        let unknown = try await scene.server.get("/v1/export?colour=red", key: scene.query)
        #expect(unknown.status == 400 && unknown.body.contains("colour"))
        await scene.server.stop()
    }

    @Test func endsWithItsCountOverManyPagesAndTakesFilters() async throws {
        let scene = try await Scene.make()
        let count = 2_500
        let lines = (0..<count).map { Webhook.body(user: "u\($0 % 2)", secondsLater: Int64($0)) }.joined(separator: "\n")
        _ = try await scene.server.post("/v1/events", lines, key: scene.ingest, headers: ["Content-Type": "application/x-ndjson"])
        for (query, rows) in [("?format=ndjson", count), ("?format=ndjson&actor=u0", count / 2), ("?format=ndjson&serial=none", 0)] {
            let whole = try scene.server.exchange(
                "GET /v1/export\(query) HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: close\r\nAuthorization: Bearer \(scene.query)\r\n\r\n"
            )
            let text = String(decoding: whole, as: UTF8.self)
            #expect(text.hasSuffix("\r\n0\r\nsluice-rows: \(rows)\r\n\r\n"), "\(text.suffix(80))")
            #expect(text.matches(of: /"occurred_at":/).count == rows)
            #expect(Set(text.matches(of: /"id":"([^"]+)"/).map { String($0.1) }).count == rows, "each once")
        }
        let zipped = try scene.server.exchange(
            "GET /v1/export HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\nAuthorization: Bearer \(scene.query)\r\n\r\n"
        )
        let head = String(decoding: zipped.prefix(600), as: UTF8.self).lowercased()
        #expect(head.contains("content-encoding: gzip") && head.contains("trailer: sluice-rows"), "\(head)")
        #expect(zipped.count < 400_000, "\(zipped.count)")
        await scene.server.stop()
    }

    /// While it does not read, others do: no connection of the pool is held for it.
    @Test func aReaderThatDoesNotReadHoldsNothing() async throws {
        let scene = try await Scene.make(environment: ["DB_CONNECTIONS": "1", "REQUEST_DEADLINE": "2s"])
        let reason = String(repeating: "long ", count: 190)
        for part in 0..<10 {
            let lines = (0..<1_000).map { Webhook.body(secondsLater: Int64(part * 1_000 + $0), reason: reason) }.joined(separator: "\n")
            _ = try await scene.server.post("/v1/events", lines, key: scene.ingest, headers: ["Content-Type": "application/x-ndjson"])
        }
        let slow = try scene.server.open()
        try RunningServer.write(
            "GET /v1/export HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer \(scene.query)\r\n\r\n",
            to: slow
        )
        for _ in 0..<5 {
            let page = try await scene.server.get("/v1/events?limit=5", key: scene.query)
            #expect(page.status == 200 && page.json["data"].count == 5, "\(page.body)")
            #expect(try await scene.server.post("/v1/events", Webhook.body(user: "meanwhile"), key: scene.ingest).status == 200)
        }
        let text = String(decoding: try RunningServer.readToEnd(slow), as: UTF8.self)
        #expect(text.hasSuffix("\r\n\r\n") && text.contains("\r\n0\r\nsluice-rows: "), "\(text.suffix(60))")
        await scene.server.stop()
    }

    @Test func isCutVisiblyWhenTheDatabaseGoes() async throws {
        let cluster = try await TestCluster.startPrivate()
        let scene = try await Scene.make(in: cluster, environment: ["REQUEST_DEADLINE": "2s"])
        let reason = String(repeating: "long ", count: 190)
        for part in 0..<10 {
            let lines = (0..<1_000).map { Webhook.body(secondsLater: Int64(part * 1_000 + $0), reason: reason) }.joined(separator: "\n")
            _ = try await scene.server.post("/v1/events", lines, key: scene.ingest, headers: ["Content-Type": "application/x-ndjson"])
        }
        let descriptor = try scene.server.open()
        try RunningServer.write(
            "GET /v1/export HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer \(scene.query)\r\n\r\n",
            to: descriptor
        )
        var byte = UInt8(0)
        #expect(recv(descriptor, &byte, 1, 0) == 1, "it has begun")
        try await cluster.stop()
        let text = String(decoding: try RunningServer.readToEnd(descriptor), as: UTF8.self)
        #expect(!text.contains("sluice-rows: ") && !text.hasSuffix("\r\n0\r\n\r\n"), "\(text.suffix(60))")
        await scene.server.stop()
        try await cluster.remove()
    }
}
