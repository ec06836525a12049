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
}
