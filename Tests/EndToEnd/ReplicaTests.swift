import Access
import EventStore
import LocalCluster
import TestSupport
import Testing

/// Several servers on one database.
@Suite(.fewAtOnce) struct ReplicaTests {
    /// Until each server refuses the key; how long the slowest took.
    private func refusal(of key: String, by servers: [RunningServer], since start: ContinuousClock.Instant) async throws -> Duration? {
        for server in servers {
            let isRefused = try await eventually {
                try await server.get("/v1/events", key: key).status == 401
            }
            guard isRefused else { return nil }
        }
        return ContinuousClock.now - start
    }

    private func refusesARevokedKey(_ scene: Scene, _ servers: [RunningServer]) async throws {
        for round in 0..<3 {
            let key = try await scene.administration.createKey(tenant: "acme", kind: .query)
            for server in servers {
                try await server.use(key.text)
            }
            let start = ContinuousClock.now
            try await scene.administration.revokeKey(tenant: "acme", id: key.id)
            let took = try #require(try await refusal(of: key.text, by: servers, since: start), "round \(round)")
            #expect(took <= .seconds(2), "round \(round): \(took)")
        }
    }

    @Test func refuseARevokedKeyWithinTwoSeconds() async throws {
        let scene = try await Scene.make()
        let other = try await RunningServer.start(databaseURL: scene.migrated.apiURL)
        try await refusesARevokedKey(scene, [scene.server, other])
        await other.stop()
        await scene.server.stop()
    }

    @Test func refuseARevokedKeyWithinTwoSecondsThroughPgBouncer() async throws {
        let scene = try await Scene.make()
        let pooler = try await TestPooler.start(before: try await TestCluster.shared())
        let url = scene.migrated.apiURL(through: pooler)
        // One is told to use no named statements, the other finds it out.
        let servers = [
            try await RunningServer.start(databaseURL: url, environment: ["DB_PREPARE": "off"]),
            try await RunningServer.start(databaseURL: url),
        ]
        for server in servers { #expect(try await server.post(scene.hookPath, Webhook.body()).status == 200, "\(server.log)") }
        try await refusesARevokedKey(scene, servers)
        for server in servers { await server.stop() }
        await pooler.stop()
        await scene.server.stop()
    }

    @Test func readWithANewVersionWithinTwoSeconds() async throws {
        let scene = try await Scene.make()
        let other = try await RunningServer.start(databaseURL: scene.migrated.apiURL)
        let body = Webhook.body(serial: "R0")
        #expect(try await other.post("/v1/events", body, key: scene.ingest).status == 200)
        let schema = """
            schema: privileges-webhook
            core: { type: /event, occurred_at: /timestamp }
            fields: { department: { from: /custom_data/department, type: string, required: true } }
            """
        let start = ContinuousClock.now
        let applied = try await scene.server.send(
            "PUT",
            "/v1/schemas/privileges-webhook?allow_breaking=1",
            body: schema,
            key: scene.admin
        )
        try #require(applied.status == 200, "\(applied.body)")
        let isUsed = try await eventually {
            try await other.post("/v1/events", body, key: scene.ingest).status == 422
        }
        let took = ContinuousClock.now - start
        #expect(isUsed && took <= .seconds(2), "\(took)")
        await other.stop()
        await scene.server.stop()
    }

    @Test func holdWhatTheyKnowForAStatedTimeWhenTheDatabaseIsAway() async throws {
        let cluster = try await TestCluster.startPrivate()
        let scene = try await Scene.make(in: cluster, environment: ["REQUEST_DEADLINE": "1s"])
        try await scene.server.use(scene.query)
        try await cluster.stop(.immediate)
        let stopped = ContinuousClock.now
        let isForgotten = try await eventually(within: .seconds(20)) {
            let status = try await scene.server.post("/v1/events", Webhook.body(), key: scene.query).status
            #expect(status == 403 || status == 503, "never 401")
            return status == 503
        }
        let held = ContinuousClock.now - stopped
        #expect(isForgotten && held < .seconds(8), "two seconds, and a look-up's time-out: \(held)")
        await scene.server.stop()
        try await cluster.remove()
    }
}

extension RunningServer {
    /// Reads with a key for longer than the second that it would be believed without the epoch.
    func use(_ key: String) async throws {
        let end = ContinuousClock.now + .milliseconds(1_200)
        let isUsed = try await eventually {
            let reply = try await get("/v1/events", key: key)
            #expect(reply.status == 200, "\(reply.body)")
            return ContinuousClock.now > end
        }
        #expect(isUsed)
    }
}
