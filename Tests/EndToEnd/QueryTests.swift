import EventCore
import EventStore
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

    /// A bucket begins with its minute, hour, day or month in UTC.
    @Test(arguments: [("minute", 16, ":00Z"), ("hour", 13, ":00:00Z"), ("day", 10, "T00:00:00Z"), ("month", 7, "-01T00:00:00Z")])
    func countsInBuckets(bucket: String, length: Int, rest: String) async throws {
        let scene = try await Scene.make()
        let bodies = [0, 1, -61, -3_700, -3_701, -90_000, -40 * 86_400, -400 * 86_400].map { Webhook.body(secondsLater: $0) }
        let stored = try await scene.server.post("/v1/events", "[\(bodies.joined(separator: ","))]", key: scene.ingest)
        #expect(stored.json["accepted"].int == bodies.count, "\(stored.body)")
        var expected: [String: Int] = [:]
        for body in bodies {
            let time = try #require(JSONValue(body)["timestamp"].string)
            expected[time.prefix(length) + rest, default: 0] += 1
        }
        let reply = try await scene.server.get("/v1/stats?bucket=\(bucket)", key: scene.query)
        var counted: [String: Int] = [:]
        for place in 0..<reply.json["buckets"].count {
            let one = reply.json["buckets"][place]
            counted[try #require(one["start"].string)] = one["count"].int
        }
        #expect(counted.filter { $0.value > 0 } == expected, "\(reply.body)")
        await scene.server.stop()
    }

    @Test func filtersByEveryColumn() async throws {
        let scene = try await Scene.make()
        _ = try await scene.administration.createSource(tenant: "acme", slug: "other", profile: .generic, schemaName: "privileges-webhook")
        let bodies = [("granted", "john", 0), ("revoked", "john", 10), ("granted", "zoë", 20)].map {
            Webhook.body(event: $0.0, user: $0.1, secondsLater: $0.2)
        }
        let machine = try #require(JSONValue(bodies[0])["machine"].string)
        for (place, body) in bodies.enumerated() {
            let headers = place == 1 ? ["x-source-id": "other"] : [:]
            let reply = try await scene.server.post("/v1/events", body, key: scene.ingest, headers: headers)
            #expect(reply.json["accepted"].int == 1, "\(reply.body)")
        }
        let times = bodies.map { JSONValue($0)["timestamp"].string ?? "" }
        let trials = [
            ("", 3), ("type=corp.sap.privileges.granted", 2), ("actor=john", 2), ("actor=zo%C3%AB", 1), ("actor=John", 0),
            ("machine=\(machine)", 3),
            ("machine=none", 0), ("source=other", 1), ("source=default", 2), ("source=none", 0), ("from=\(times[1])", 2),
            ("to=\(times[1])", 1),
            ("from=\(times[0])&to=\(times[2])", 2), ("from=\(times[2])&to=\(times[0])", 0),
            ("actor=john&source=other&type=corp.sap.privileges.revoked", 1),
            ("actor=john&source=default&type=corp.sap.privileges.revoked", 0),
        ]
        for (query, count) in trials {
            for order in ["desc", "asc"] {
                let reply = try await scene.server.get("/v1/events?order=\(order)&\(query)", key: scene.query)
                #expect(reply.status == 200 && reply.json["data"].count == count, "\(query): \(reply.body)")
            }
            let export = try await scene.server.get("/v1/export?format=ndjson&\(query)", key: scene.query)
            #expect(export.body.split(separator: "\n").count == count, "\(query): \(export.body)")
        }
        await scene.server.stop()
    }
}
