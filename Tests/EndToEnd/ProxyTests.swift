import Foundation
import LocalCluster
import TestSupport
import Testing

/// A real proxy with the file of `deploy/`, in front of one or two servers of a test's own.
struct RunningProxy: Sendable {
    enum Kind: String, CaseIterable, Sendable {
        case nginx, haproxy, caddy

        var file: String {
            switch self {
            case .nginx: "deploy/nginx.conf"
            case .haproxy: "deploy/haproxy.cfg"
            case .caddy: "deploy/Caddyfile"
            }
        }
    }

    let kind: Kind
    let port: Int
    let folder: String
    let process: ChildProcess

    /// - Parameters:
    ///   - servers: their ports; the file has room for two.
    ///   - adapt: changes the file further.
    static func start(
        _ kind: Kind,
        before servers: [Int],
        adapting adapt: @Sendable (String) -> String = { $0 }
    ) async throws -> RunningProxy {
        let folder = try makeTestFolder(kind.rawValue)
        let port = try FreePort.find()
        var text = adapt(try Repository.text(kind.file))
        let (one, two) = (servers[0], servers.last ?? servers[0])
        text = text.replacing("127.0.0.1:8080", with: "127.0.0.1:\(one)").replacing("127.0.0.1:8081", with: "127.0.0.1:\(two)")
        switch kind {
        case .nginx:
            text = text.replacing("user www-data;", with: "daemon off; master_process off;").replacing(
                "/run/nginx.pid",
                with: "\(folder)/pid"
            )
            text = text.replacing("/var/log/nginx", with: folder).replacing("listen 80;", with: "listen 127.0.0.1:\(port);")
            let own = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(folder)/\($0);" }.joined(separator: " ")
            text = text.replacing("http {\n", with: "http {\n    \(own)\n")
        case .haproxy:
            // As many descriptors as any machine allows.
            text = text.replacing("maxconn 16384", with: "maxconn 500")
            text = text.replacing("bind :80 ", with: "bind 127.0.0.1:\(port) ")
        case .caddy:
            // Without certificates, which only somebody outside can give.
            text = text.replacing("http:// {", with: "http://:\(try FreePort.find()) {\n\tbind 127.0.0.1")
            text = text.replacing("{$PUBLIC_NAME} {", with: "http://:\(port) {\n\tbind 127.0.0.1")
        }
        let file = "\(folder)/configuration"
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        let process =
            switch kind {
            case .nginx: try await Tool.nginx.start(["-p", folder, "-e", "\(folder)/start.log", "-c", file], log: "\(folder)/log")
            case .haproxy: try await Tool.haproxy.start(["-db", "-f", file], log: "\(folder)/log")
            case .caddy: try await Tool.caddy.start(["run", "--config", file, "--adapter", "caddyfile"], log: "\(folder)/log")
            }
        return RunningProxy(kind: kind, port: port, folder: folder, process: process)
    }

    /// All that it wrote anywhere.
    var logs: String {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return files.filter { $0.hasSuffix("log") }.map { (try? String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8)) ?? "" }.joined()
    }

    func stop() async {
        await process.terminate(grace: .seconds(5))
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Every byte that comes back for a hook's request.
    ///
    /// Read on a thread of its own: tests share two.
    func bytes(
        _ scene: Scene,
        _ body: String,
        path: String? = nil,
        header: String = "X-Test: 1",
        from source: String? = nil
    ) async throws -> [UInt8] {
        let request = """
            POST \(path ?? scene.hookPath) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
            \(header)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)
            """
        return try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(with: Result { try scene.server.exchange(request, port: port, from: source) })
            }
        }
    }

    func waitUntilReady(_ scene: Scene) async throws {
        let isUp = try await eventually(within: .seconds(20)) {
            (try? await scene.server.send("GET", "/readyz", port: port).status) == 200
        }
        guard isUp else { throw RunningServer.Stopped(log: logs) }
    }
}

/// The SAP client takes any answer for "delivered": behind a proxy too it gets none when its event is not stored.
@Suite(.serialized) struct ProxyTests {
    @Test(arguments: RunningProxy.Kind.allCases)
    func closesAHooksConnectionWithoutAByteWhileTheDatabaseIsAway(_ kind: RunningProxy.Kind) async throws {
        let cluster = try await TestCluster.startPrivate()
        let scene = try await Scene.make(in: cluster, environment: ["REQUEST_DEADLINE": "1s"])
        let proxy = try await RunningProxy.start(kind, before: [scene.server.port])
        try await proxy.waitUntilReady(scene)
        #expect(String(decoding: try await proxy.bytes(scene, Webhook.body()), as: UTF8.self).hasPrefix("HTTP/1.1 200 "))
        #expect(
            String(decoding: try await proxy.bytes(scene, Webhook.body(), path: "/hooks/nope"), as: UTF8.self).hasPrefix("HTTP/1.1 401 ")
        )

        try await cluster.stop(.fast)
        // At once, and once the proxy has noticed.
        for second in 1...3 {
            let bytes = try await proxy.bytes(scene, Webhook.body(secondsLater: Int64(second)))
            #expect(bytes.isEmpty, "\(String(decoding: bytes, as: UTF8.self))")
        }
        #expect(try await eventually { try await scene.server.get("/readyz").status == 503 })
        let reply = try await scene.server.send(
            "POST",
            "/v1/events",
            body: Webhook.body(secondsLater: 1),
            key: scene.ingest,
            port: proxy.port
        )
        #expect(reply.status == 503, "other senders read the status: \(reply.status)")
        #expect(try await proxy.bytes(scene, Webhook.body(secondsLater: 1)).isEmpty)

        try await cluster.start()
        let isBack = try await eventually(within: .seconds(15)) {
            String(decoding: try await proxy.bytes(scene, Webhook.body(secondsLater: 1)), as: UTF8.self).hasPrefix("HTTP/1.1 200 ")
        }
        #expect(isBack)
        #expect(!proxy.logs.contains(scene.hook) && !proxy.logs.contains("/hooks/"), "no key in the proxy's logs: \(proxy.logs)")
        await proxy.stop()
        await scene.server.stop()
        try await cluster.remove()
    }

    @Test(arguments: RunningProxy.Kind.allCases)
    func closesItWhenNoServerIsThere(_ kind: RunningProxy.Kind) async throws {
        let scene = try await Scene.make()
        let proxy = try await RunningProxy.start(kind, before: [scene.server.port])
        try await proxy.waitUntilReady(scene)
        await scene.server.stop()
        for _ in 0..<3 {
            #expect(try await proxy.bytes(scene, Webhook.body()).isEmpty)
            #expect(try await proxy.bytes(scene, Webhook.body(), path: "/privileges/\(scene.hook)").isEmpty)
        }
        let reply = try await scene.server.send("POST", "/v1/events", body: Webhook.body(), key: scene.ingest, port: proxy.port)
        #expect([502, 503, 504].contains(reply.status))
        #expect(!proxy.logs.contains(scene.hook), "no key in the proxy's logs: \(proxy.logs)")
        await proxy.stop()
    }

    /// One server after the other is told to stop and started anew while hooks and other senders keep coming: the other takes over, and
    /// nobody is told a lie.
    @Test(arguments: RunningProxy.Kind.allCases)
    func losesNothingWhenTwoServersAreRestartedInTurn(_ kind: RunningProxy.Kind) async throws {
        let scene = try await Scene.make(environment: ["DRAIN_DELAY": "2s"])
        let second = try await RunningServer.start(databaseURL: scene.migrated.apiURL, environment: ["DRAIN_DELAY": "2s"])
        let proxy = try await RunningProxy.start(kind, before: [scene.server.port, second.port])
        try await proxy.waitUntilReady(scene)
        let isDone = Locked(false)
        let restarted = Locked<[RunningServer]>([])
        let results = try await withThrowingTaskGroup(of: (stored: Int, other: [String]).self) { group in
            for client in 0..<4 {
                group.addTask {
                    var stored = 0
                    var other: [String] = []
                    var round = 0
                    var roundsAfter = 0
                    while roundsAfter < 20, round < 50_000 {
                        round += 1
                        if isDone.value { roundsAfter += 1 }
                        let body = Webhook.body(user: "u\(client)", secondsLater: Int64(round))
                        if client % 2 == 0 {
                            let bytes = try await proxy.bytes(scene, body)
                            let text = String(decoding: bytes, as: UTF8.self)
                            if text.hasPrefix("HTTP/1.1 200 ") { stored += 1 } else { other.append("hook: \(text.prefix(200))") }
                        } else {
                            let reply = try await scene.server.send("POST", "/v1/events", body: body, key: scene.ingest, port: proxy.port)
                            if reply.status == 200 { stored += 1 } else { other.append("event: \(reply.status)") }
                        }
                    }
                    if roundsAfter < 20 { other.append("client \(client) ended before the restarts") }
                    return (stored, other)
                }
            }
            group.addTask {
                // Whatever happens here, the clients come to their end.
                defer { isDone.value = true }
                for server in [second, scene.server] {
                    await server.stop()
                    let again = try await RunningServer.start(
                        databaseURL: scene.migrated.apiURL,
                        environment: ["DRAIN_DELAY": "2s"],
                        port: server.port
                    )
                    restarted.value.append(again)
                    // Each has a pool of its own in the proxy, which finds out by itself.
                    let takesItsPart = try await eventually { again.log.contains("/hooks/{key}") && again.log.contains("/v1/events") }
                    #expect(takesItsPart, "the proxy takes a server back")
                }
                return (0, [])
            }
            return try await group.reduce(into: (stored: 0, other: [String]())) { all, one in
                all.stored += one.stored
                all.other += one.other
            }
        }
        let rows = Int(try await scene.migrated.psql("SELECT count(*) FROM events")) ?? 0
        if kind == .caddy {
            // It sends no body to a second server: some are told to come again, and none a lie.
            #expect(results.other.allSatisfy { $0 == "hook: " || $0 == "event: 503" }, "\(results.other.prefix(5))")
            #expect(results.stored...(results.stored + results.other.count) ~= rows)
        } else {
            #expect(results.other.isEmpty, "no sender saw an error: \(results.other.prefix(5))")
            #expect(rows == results.stored)
        }
        await proxy.stop()
        for server in restarted.value { await server.stop() }
    }
}
