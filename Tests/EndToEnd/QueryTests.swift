import EventCore
import Foundation
import TestSupport
import Testing

/// `GET /v1/events` beyond its first page, and `GET /v1/stats`.
@Suite(.fewAtOnce) struct QueryTests {
    private func fill(_ scene: Scene, _ count: Int) async throws {
        let lines = (0..<count).map {
            Webhook.body(event: $0 % 3 == 0 ? "revoked" : "granted", user: "u\($0 % 2)", secondsLater: Int64($0))
        }
        let reply = try await scene.server.post(
            "/v1/events",
            lines.joined(separator: "\n"),
            key: scene.ingest,
            headers: ["Content-Type": "application/x-ndjson"]
        )
        #expect(reply.json["accepted"].int == count, "\(reply.body)")
    }

    @Test(arguments: ["asc", "desc"]) func followsLinksToTheEndInEitherOrder(order: String) async throws {
        let scene = try await Scene.make()
        try await fill(scene, 25)
        var times: [String] = []
        var path: String? = "/v1/events?limit=10&order=\(order)"
        while let next = path {
            let page = try await scene.server.get(next, key: scene.query)
            #expect(page.status == 200, "\(page.body)")
            times += (0..<page.json["data"].count).compactMap { page.json["data"][$0]["occurred_at"].string }
            path = page.headers["link"]?.firstMatch(of: /^<([^>]+)>; rel="next"$/).map { String($0.1) }
            #expect((path == nil) == page.json["next_cursor"].isNull)
        }
        #expect(times.count == 25 && times == (order == "asc" ? times.sorted() : times.sorted().reversed()))
        let cursor = try #require(
            try await scene.server.get("/v1/events?limit=10&order=\(order)", key: scene.query).json["next_cursor"].string
        )
        let other = order == "asc" ? "desc" : "asc"
        let crossed = try await scene.server.get("/v1/events?order=\(other)&cursor=\(cursor)", key: scene.query)
        #expect(crossed.status == 400 && crossed.json["code"].string == "invalid_cursor")
        await scene.server.stop()
    }

    @Test func answersInTheFormatThatIsAskedFor() async throws {
        let scene = try await Scene.make()
        try await fill(scene, 3)
        let csv = try await scene.server.get("/v1/events?limit=2", key: scene.query, headers: ["Accept": "text/csv"])
        #expect(csv.headers["content-type"]?.hasPrefix("text/csv") == true && csv.headers["link"] != nil)
        #expect(csv.body.hasPrefix("id,occurred_at,received_at,source,schema,type,actor,machine,admin,expires,reason,serial,extra\r\n"))
        #expect(csv.body.matches(of: /\r\n/).count == 3)
        let lines = try await scene.server.get("/v1/events", key: scene.query, headers: ["Accept": "application/x-ndjson, */*;q=0.1"])
        #expect(lines.headers["content-type"] == "application/x-ndjson" && lines.body.split(separator: "\n").count == 3)
        let json = try await scene.server.get("/v1/events", key: scene.query, headers: ["Accept": "text/html, */*"])
        #expect(json.headers["content-type"] == "application/json" && json.json["data"].count == 3)
        await scene.server.stop()
    }

    @Test func filtersBySchemaFieldsAndRefusesWhatIsNone() async throws {
        let scene = try await Scene.make()
        try await fill(scene, 3)
        _ = try await scene.server.post("/v1/events", Webhook.body(user: "other", serial: "OTHER"), key: scene.ingest)
        for (query, count) in [("serial=OTHER", 1), ("serial=\(Webhook.serial)", 3), ("admin=false", 1), ("serial=none", 0)] {
            let reply = try await scene.server.get("/v1/events?\(query)", key: scene.query)
            #expect(reply.status == 200 && reply.json["data"].count == count, "\(query): \(reply.body)")
        }
        for query in ["colour=red", "order=up", "admin=perhaps"] {
            let reply = try await scene.server.get("/v1/events?\(query)", key: scene.query)
            let name = query.prefix { $0 != "=" }
            #expect(reply.status == 400 && reply.json["detail"].string?.contains(name) == true, "\(query): \(reply.body)")
        }
        await scene.server.stop()
    }

    @Test func countsByTimeAndByValue() async throws {
        let scene = try await Scene.make()
        try await fill(scene, 90)
        let byTime = try await scene.server.get("/v1/stats?bucket=minute", key: scene.query)
        #expect(byTime.status == 200 && byTime.json["rows"].int == 90 && byTime.json["complete"].bool == true, "\(byTime.body)")
        let counts = (0..<byTime.json["buckets"].count).compactMap { byTime.json["buckets"][$0]["count"].int }
        #expect(counts.reduce(0, +) == 90 && counts.count >= 2 && byTime.json["buckets"][0]["start"].string?.hasSuffix(":00Z") == true)
        let byActor = try await scene.server.get("/v1/stats?top=actor&type=corp.sap.privileges.revoked&limit=1", key: scene.query)
        #expect(byActor.json["top"].count == 1 && byActor.json["top"][0]["count"].int == 15 && byActor.json["distinct"].int == 2)
        let byField = try await scene.server.get("/v1/stats?top=admin", key: scene.query)
        #expect(byField.json["top"][0]["value"].string == "true" && byField.json["top"][0]["count"].int == 60, "\(byField.body)")
        for query in ["bucket=week", "top=colour", "colour=red"] {
            #expect(try await scene.server.get("/v1/stats?\(query)", key: scene.query).status == 400, "\(query)")
        }
        #expect(try await scene.server.get("/v1/stats", key: scene.ingest).status == 403)
        await scene.server.stop()
    }
}
