import Access
import EventCore
import EventStore
import Glibc
import TestSupport
import Testing

/// Limits, suspension and failed authentications, as clients see them.
@Suite(.fewAtOnce) struct LimitTests {
    private func limit(_ scene: Scene, _ name: TenantLimits.Name, to value: Int?) async throws {
        var changes = TenantChanges()
        changes.limits.updateValue(value, forKey: name)
        _ = try await scene.administration.updateTenant(slug: "acme", changes)
    }

    private func batch(_ count: Int, user: String) -> String {
        (0..<count).map { Webhook.body(user: "\(user)\($0)", secondsLater: Int64($0)) }.joined(separator: "\n")
    }

    /// Until one event more is answered so.
    private func untilStatus(_ status: Int, _ scene: Scene, source: String = "default") async throws -> RunningServer.Reply? {
        var last: RunningServer.Reply?
        let isSo = try await eventually {
            last = try await scene.server.post("/v1/events", Webhook.body(), key: scene.ingest, headers: ["x-source-id": source])
            return last?.status == status
        }
        return isSo ? last : nil
    }

    @Test func tellsSendersToWaitWhenTheyAreOverTheRate() async throws {
        let opened = ["OPEN_PRIVILEGES_SOURCE": "acme/default", "OPEN_PRIVILEGES_NETWORKS": "127.0.0.0/8"]
        let scene = try await Scene.make(environment: opened)
        for profile in [SenderProfile.fluentBit, .privilegesWebhook] {
            _ = try await scene.administration.createSource(
                tenant: "acme",
                slug: profile.rawValue,
                profile: profile,
                schemaName: "privileges-webhook"
            )
        }
        #expect(try await scene.server.post(scene.hookPath, Webhook.body()).status == 200)
        try await limit(scene, .eventsPerSecond, to: 1)
        let isOver = try await eventually {
            // Five minutes' debt once the limit is known.
            try await scene.server.post("/v1/events", self.batch(300, user: "u"), key: scene.ingest).status == 429
        }
        #expect(isOver)
        let reply = try await scene.server.post("/v1/events", Webhook.body(), key: scene.ingest)
        #expect(reply.status == 429 && reply.json["code"].string == "over_limit", "\(reply.body)")
        let wait = try #require(reply.headers["retry-after"].flatMap { Int($0) })
        #expect((1...300).contains(wait))
        #expect(reply.headers["ratelimit-policy"] == #""events_per_second";q=1;w=1"#)
        #expect(reply.headers["ratelimit"] == #""events_per_second";r=0;t=\#(wait)"#)
        let fluentBit = try await scene.server.post(
            "/v1/events",
            Webhook.body(),
            key: scene.ingest,
            headers: ["x-source-id": "fluent-bit"]
        )
        #expect(fluentBit.status == 429 && fluentBit.headers["retry-after"] != nil)
        let isClosed = try await eventually { try scene.hookBytes(Webhook.body()).isEmpty }
        #expect(isClosed, "the SAP client gets no byte")
        let head = "POST /privileges HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: \(Webhook.body().utf8.count)\r\n\r\n"
        #expect(try scene.server.exchange(head + Webhook.body()).isEmpty, "nor on the opened path, whatever its source's profile")
        #expect(try await scene.server.get("/v1/events", key: scene.query).status == 200, "reading brings no events")

        try await limit(scene, .eventsPerSecond, to: nil)
        #expect(try await untilStatus(200, scene) != nil, "within two seconds")
        await scene.server.stop()
    }

    @Test func boundsTheRequestsAtOnce() async throws {
        let scene = try await Scene.make(environment: ["REQUEST_DEADLINE": "20s"])
        try await limit(scene, .concurrentRequests, to: 1)
        var slow: [Int32] = []
        var reply: RunningServer.Reply?
        let isBounded = try await eventually {
            // One of these, or the other request, comes first; sooner or later it is one of these.
            let one = try scene.server.open()
            slow.append(one)
            let head = "POST /v1/events HTTP/1.1\r\nHost: x\r\nX-API-Key: \(scene.ingest)\r\nContent-Length: 100000\r\n\r\n{"
            try RunningServer.write(head, to: one)
            reply = try await scene.server.post("/v1/events", Webhook.body(), key: scene.ingest)
            return reply?.status == 429
        }
        #expect(isBounded)
        let bounded = try #require(reply)
        #expect(bounded.headers["ratelimit-policy"] == #""concurrent_requests";q=1"# && bounded.headers["retry-after"] == "1")
        #expect(try await scene.server.get("/v1/events", key: scene.query).status == 429, "reading counts too")
        for one in slow { close(one) }
        #expect(try await untilStatus(200, scene) != nil, "a request that breaks off is over")
        await scene.server.stop()
    }

    /// More than the system takes in for a reader that does not read.
    @Test func countsAnExportUntilItsEnd() async throws {
        let scene = try await Scene.make()
        try await scene.migrated.psql(
            """
            INSERT INTO events (tenant_id, occurred_at, id, received_at, source_id, version_no, fields, extra)
            SELECT t.tenant_id, now() - n * interval '1 microsecond', gen_random_uuid(), now(), 1, 1, '{}', jsonb_build_object('long', repeat('x', 4000))
            FROM tenants t, generate_series(1, 8000) n WHERE t.slug = 'acme'
            """
        )
        try await limit(scene, .concurrentRequests, to: 1)
        var readers: [Int32] = []
        let isCounted = try await eventually {
            let reader = try scene.server.open()
            readers.append(reader)
            try RunningServer.write("GET /v1/export HTTP/1.1\r\nHost: x\r\nX-API-Key: \(scene.query)\r\n\r\n", to: reader)
            return try await scene.server.get("/v1/events?limit=1", key: scene.query).status == 429
        }
        #expect(isCounted, "nobody reads what it has begun to say")
        for reader in readers { close(reader) }
        #expect(try await eventually { try await scene.server.get("/v1/events?limit=1", key: scene.query).status == 200 })
        await scene.server.stop()
    }

    @Test func boundsTheEventsOfAMonth() async throws {
        let scene = try await Scene.make()
        try await limit(scene, .eventsPerMonth, to: 5)
        #expect(try await scene.server.post("/v1/events", batch(4, user: "u"), key: scene.ingest).json["accepted"].int == 4)
        #expect(try await scene.server.post("/v1/events", batch(4, user: "u"), key: scene.ingest).json["duplicates"].int == 4)
        #expect(try await scene.server.post("/v1/events", batch(4, user: "v"), key: scene.ingest).status == 200, "one is left")
        let reply = try await scene.server.post("/v1/events", batch(1, user: "w"), key: scene.ingest)
        #expect(reply.status == 429 && reply.headers["ratelimit-policy"]?.contains("events_per_month") == true, "\(reply.body)")
        let isTold = try await eventually {
            try await scene.administration.tenantWithUsage(slug: "acme").storedThisMonth == 8
        }
        #expect(isTold)
        let other = try await RunningServer.start(databaseURL: scene.migrated.apiURL)
        #expect(
            try await other.post("/v1/events", batch(1, user: "x"), key: scene.ingest).status == 200,
            "it has not heard of the month yet"
        )
        let isRefused = try await eventually {
            try await other.post("/v1/events", self.batch(1, user: "x"), key: scene.ingest).status == 429
        }
        #expect(isRefused, "within the few seconds between two tellings")
        await other.stop()
        await scene.server.stop()
    }

    @Test func tellsReadersOfASuspensionAndSendersToKeepTheirEvents() async throws {
        let scene = try await Scene.make()
        _ = try await scene.administration.createSource(
            tenant: "acme",
            slug: "macs",
            profile: .privilegesWebhook,
            schemaName: "privileges-webhook"
        )
        let bound = try await scene.administration.createKey(tenant: "acme", kind: .ingest, source: "macs").text
        #expect(try await scene.server.post("/v1/events", Webhook.body(), key: bound).status == 200)
        _ = try await scene.administration.suspendTenant(slug: "acme", true)
        let held = try #require(try await untilStatus(429, scene))
        #expect(held.headers["retry-after"] == "60" && held.json["code"].string == "suspended", "\(held.body)")
        let isTold = try await eventually {
            let read = try await scene.server.get("/v1/events", key: scene.query)
            return read.status == 403 && read.json["code"].string == "suspended"
        }
        #expect(isTold)
        #expect(try await eventually { try scene.hookBytes(Webhook.body()).isEmpty })
        let isClosed = try await eventually {
            (try? await scene.server.post("/v1/events", Webhook.body(), key: bound)) == nil
        }
        #expect(isClosed, "its source's client is the SAP one")
        _ = try await scene.administration.suspendTenant(slug: "acme", false)
        #expect(try await untilStatus(200, scene) != nil)
        #expect(try await eventually { try await scene.server.get("/v1/events", key: scene.query).status == 200 })
        await scene.server.stop()
    }

    @Test func makesThoseWaitWhoGuessKeysAndNobodyElse() async throws {
        let scene = try await Scene.make(environment: ["TRUSTED_PROXIES": "127.0.0.0/8"])
        let guesser = ["X-Forwarded-For": "6.6.6.6, 192.0.2.1"]
        var statuses: [Int] = []
        // One every two seconds is answered again, however slow the machine is.
        let isMadeToWait = try await eventually {
            let reply = try await scene.server.get("/v1/events", key: APIKey.generate(.query).text, headers: guesser)
            statuses.append(reply.status)
            return reply.status == 429 && reply.headers["retry-after"] != nil
        }
        #expect(isMadeToWait && statuses.count > 20 && statuses.dropLast().allSatisfy { $0 == 401 }, "\(statuses)")
        let isNonsenseToo = try await eventually {
            try await scene.server.get("/v1/events", key: "nonsense", headers: guesser).status == 429
        }
        #expect(isNonsenseToo)
        #expect(try await scene.server.get("/v1/events", key: scene.query, headers: guesser).status == 200, "a key that holds is taken")
        let elsewhere = ["X-Forwarded-For": "192.0.2.1, 192.0.2.2"]
        #expect(try await scene.server.get("/v1/events", key: "nonsense", headers: elsewhere).status == 401)
        #expect(try await scene.server.get("/v1/events", headers: guesser).status == 401, "nothing was tried")
        let isClosed = try await eventually {
            try scene.server.exchange(
                "POST /hooks/nonsense HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
            ).isEmpty
        }
        #expect(isClosed, "a client that takes any answer for success keeps its event")
        await scene.server.stop()
    }

    @Test func countsWhoStillUsesARotatedKey() async throws {
        let scene = try await Scene.make()
        let old = try #require(APIKey(scene.ingest))
        let new = try await scene.administration.rotateKey(tenant: "acme", id: old.id, overlap: .seconds(3600)).key.text
        await scene.server.stop()
        let server = try await RunningServer.start(databaseURL: scene.migrated.apiURL)
        #expect(try await server.post("/v1/events", batch(3, user: "u"), key: old.text).status == 200)
        #expect(try await server.post("/v1/events", "{}", key: old.text).status == 422)
        #expect(try await server.post("/v1/events", Webhook.body(), key: new).status == 200)
        await server.stop()
        let (key, senders) = try await scene.administration.key(tenant: "acme", id: old.id)
        #expect(key.lastUsedAt != nil, "told at the end at the latest")
        #expect(Set(senders.map(\.sender)) == ["16DF8241-7E86-5A4F-8C0F-C49FAA3E7B15", "127.0.0.1"], "\(senders)")
        #expect(senders.map(\.count) == [3, 1])
    }

    @Test func letsPrivLogsReadersIn() async throws {
        let scene = try await Scene.make()
        let text = "privlog-key-0123456789"
        _ = try await scene.server.post(scene.hookPath, Webhook.body())
        #expect(try await scene.server.get("/v1/events", headers: ["X-API-Key": text]).status == 401)
        _ = try await scene.administration.importKeys(tenant: "acme", [try LegacyKey(line: "\(text):Grafana")])
        let isIn = try await eventually {
            try await scene.server.get("/v1/events", headers: ["X-API-Key": text]).json["data"].count == 1
        }
        #expect(isIn)
        #expect(try await scene.server.get("/v1/events", key: text).status == 401, "in its own header only")
        #expect(try await scene.server.post("/v1/events", Webhook.body(), headers: ["X-API-Key": text]).status == 401, "it only reads")
        #expect(!scene.server.log.contains(text))
        await scene.server.stop()
    }
}
