import Access
import EventStore
import Foundation
import TestSupport
import Testing

/// What one sender, or the proxy's own trouble, does to others.
extension ProxyTests {
    /// nginx that has no connection left for the server answers 500, which the SAP client would take for "delivered".
    @Test func closesItWhenNginxHasNoConnectionLeft() async throws {
        let scene = try await Scene.make()
        // One that listens, one of the sender's: none to the server.
        let proxy = try await RunningProxy.start(.nginx, before: [scene.server.port]) {
            $0.replacing("worker_connections 16384;", with: "worker_connections 2;")
        }
        let isUp = try await eventually(within: .seconds(20)) {
            let bytes = try? await proxy.bytes(scene, Webhook.body(), path: "/v1/events")
            return String(decoding: bytes ?? [], as: UTF8.self).hasPrefix("HTTP/1.1 500 ")
        }
        #expect(isUp, "\(proxy.logs)")
        #expect(try await proxy.bytes(scene, Webhook.body()).isEmpty)
        #expect(try await proxy.bytes(scene, Webhook.body(), path: "/privileges/\(scene.hook)").isEmpty)
        #expect(!proxy.logs.contains(scene.hook), "no key in the proxy's logs: \(proxy.logs)")
        await proxy.stop()
        await scene.server.stop()
    }

    @Test(arguments: RunningProxy.Kind.allCases)
    func theServerSeesTheSendersAddressAndNotOneThatItClaims(_ kind: RunningProxy.Kind) async throws {
        let scene = try await Scene.make(environment: ["TRUSTED_PROXIES": "127.0.0.1"])
        let proxy = try await RunningProxy.start(kind, before: [scene.server.port])
        try await proxy.waitUntilReady(scene)
        for path in [scene.hookPath, "/v1/events"] {
            let bytes = try await proxy.bytes(
                scene,
                Webhook.body(),
                path: path,
                header: "Authorization: Bearer \(scene.ingest)\r\nX-Forwarded-For: 203.0.113.9",
                from: "127.0.0.2"
            )
            #expect(String(decoding: bytes, as: UTF8.self).hasPrefix("HTTP/1.1 200 "))
        }
        // The log is written behind the answer.
        let hasBoth = try await eventually {
            scene.server.log.split(separator: "\n").filter { $0.contains("method=POST") && $0.contains("address=127.0.0.2") }.count == 2
        }
        #expect(hasBoth, "\(scene.server.log)")
        await proxy.stop()
        await scene.server.stop()
    }

    /// A closed connection is how one sender is told to keep its event: it is no reason to take a server out.
    @Test(arguments: RunningProxy.Kind.allCases)
    func oneTenantsClosedConnectionsCostAnotherNothing(_ kind: RunningProxy.Kind) async throws {
        let scene = try await Scene.make()
        _ = try await scene.administration.createTenant(slug: "beta", name: "Beta", retentionDays: 90)
        let hook = try await Scene.makeKey(.hook, scene.administration, tenant: "beta")
        _ = try await scene.administration.suspendTenant(slug: "beta", true)
        let second = try await RunningServer.start(databaseURL: scene.migrated.apiURL)
        let proxy = try await RunningProxy.start(kind, before: [scene.server.port, second.port])
        try await proxy.waitUntilReady(scene)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in 0..<4 {
                group.addTask {
                    for round in 0..<40 {
                        let body = Webhook.body(user: "u\(client)", secondsLater: Int64(client * 1_000 + round))
                        if client < 2 {
                            let bytes = try await proxy.bytes(scene, body, path: "/hooks/\(hook)")
                            #expect(bytes.isEmpty, "\(String(decoding: bytes, as: UTF8.self))")
                        } else if client == 2 {
                            let text = String(decoding: try await proxy.bytes(scene, body), as: UTF8.self)
                            #expect(text.hasPrefix("HTTP/1.1 200 "), "\(text.prefix(200))")
                        } else {
                            let reply = try await scene.server.send("POST", "/v1/events", body: body, key: scene.ingest, port: proxy.port)
                            #expect(reply.status == 200, "\(reply.body)")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await scene.migrated.psql("SELECT count(*) FROM events") == "80")
        await proxy.stop()
        await second.stop()
        await scene.server.stop()
    }
}
