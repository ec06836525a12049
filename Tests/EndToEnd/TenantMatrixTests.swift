import Access
import EventCore
import EventStore
import Foundation
import TestSupport
import Testing

/// Tenant A × tenant B over every route: nothing crosses.
@Suite(.fewAtOnce) struct TenantMatrixTests {
    private struct Tenant {
        let slug: String
        let keys: [KeyKind: String]
        /// Of its newest event, and a cursor that leads on from there.
        var id = ""
        var cursor = ""

        func key(_ kind: KeyKind) -> String { keys[kind] ?? "" }
    }

    /// What tenant `own` tries on a route with what it knows of `other`.
    private typealias Trial = @Sendable (_ scene: Scene, _ own: Tenant, _ other: Tenant) async throws -> Void

    private static let trials: [String: Trial] = [
        "POST /v1/events": { scene, own, other in
            let reply = try await scene.server.post(
                "/v1/events",
                Webhook.body(user: "intruder"),
                key: own.key(.ingest),
                headers: ["x-source-id": "\(other.slug)-only"]
            )
            #expect(reply.json["errors"][0]["code"].string == "unknown_source" && reply.json["accepted"].int == 0, "\(reply.body)")
        },
        "POST /hooks": { scene, own, other in
            let reply = try await scene.server.post(
                "/hooks",
                Webhook.body(user: "of.\(own.slug)", secondsLater: 10),
                key: own.key(.ingest),
                headers: ["x-source-id": "\(other.slug)-only"]
            )
            #expect(reply.json["accepted"].int == 1, "the credential decides, and it knows its own sources only: \(reply.body)")
        },
        "POST /hooks/{key}": { scene, own, other in
            let reply = try await scene.server.post(
                "/hooks/\(own.key(.hook))",
                Webhook.body(user: "of.\(own.slug)", secondsLater: 9),
                headers: ["x-source-id": "\(other.slug)-only"]
            )
            #expect(reply.json["accepted"].int == 1, "the key in the path decides, and it knows its own sources only: \(reply.body)")
        },
        "GET /v1/events": { scene, own, other in
            for kind in [KeyKind.query, .admin] {
                let all = try await scene.server.get("/v1/events?limit=1000", key: own.key(kind))
                #expect(all.status == 200 && !all.body.contains(other.id) && all.body.contains(own.id), "\(all.body)")
                let named = try await scene.server.get("/v1/events?source=\(other.slug)-only", key: own.key(kind))
                #expect(named.status == 200 && named.json["data"].count == 0, "\(named.body)")
                let cursor = try await scene.server.get("/v1/events?limit=1&cursor=\(other.cursor)", key: own.key(kind))
                #expect(cursor.status == 400 && cursor.json["code"].string == "invalid_cursor", "\(cursor.body)")
            }
        },
        "GET /v1/export": { scene, own, other in
            for format in ["csv", "ndjson"] {
                let all = try await scene.server.get("/v1/export?format=\(format)", key: own.key(.query))
                #expect(all.status == 200 && !all.body.contains("of.\(other.slug)") && all.body.contains(own.id), "\(all.body)")
            }
            let named = try await scene.server.get("/v1/export?format=ndjson&source=\(other.slug)-only", key: own.key(.admin))
            #expect(named.status == 200 && named.body.isEmpty, "\(named.body)")
        },
        "GET /v1/stats": { scene, own, other in
            let counts = try await scene.server.get("/v1/stats?top=actor", key: own.key(.query))
            #expect(counts.status == 200 && !counts.body.contains("of.\(other.slug)"), "\(counts.body)")
            let theirs = try await scene.server.get("/v1/stats?actor=of.\(other.slug)", key: own.key(.query))
            #expect(theirs.json["rows"].int == 0, "\(theirs.body)")
        },
        "POST /privileges": { scene, own, other in
            let reply = try await scene.server.post(
                "/privileges",
                Webhook.body(user: "of.\(own.slug)", secondsLater: 9),
                key: own.key(.ingest),
                headers: ["x-source-id": "\(other.slug)-only"]
            )
            #expect(reply.status == 200 && reply.json["status"].string == "success", "\(reply.body)")
        },
        "POST /privileges/{key}": { scene, own, other in
            let reply = try await scene.server.post("/privileges/\(own.key(.hook))", Webhook.body(user: "of.\(own.slug)", secondsLater: 9))
            #expect(reply.status == 200 && reply.json["status"].string == "success", "\(reply.body)")
        },
        "GET /get-event-by-serial/{v}": { scene, own, other in
            let list = try await scene.server.get("/get-event-by-serial/\(Webhook.serial)", key: own.key(.query))
            #expect(list.status == 200 && list.json.count > 0 && !list.body.contains("of.\(other.slug)"), "\(list.body)")
        },
        "GET /get-event-by-user/{v}": { scene, own, other in
            let theirs = try await scene.server.get("/get-event-by-user/of.\(other.slug)", key: own.key(.query))
            #expect(theirs.status == 200 && theirs.body == "[]", "\(theirs.body)")
        },
        "GET /get-event-by-time": { scene, own, other in
            let list = try await scene.server.get(
                "/get-event-by-time?start=2000-01-01T00:00:00&end=2099-01-01T00:00:00",
                key: own.key(.query)
            )
            #expect(list.status == 200 && list.body.contains(own.id) && !list.body.contains("of.\(other.slug)"), "\(list.body)")
        },
        "GET /v1/schemas": { scene, own, other in
            let listed = try await scene.server.get("/v1/schemas", key: own.key(.admin))
            #expect(listed.status == 200 && !listed.body.contains("of-\(other.slug)"), "\(listed.body)")
            let named = try await scene.server.get("/v1/schemas?name=of-\(other.slug)", key: own.key(.admin))
            #expect(!named.body.contains("1-0-0"), "\(named.body)")
        },
        "PUT /v1/schemas/{name}": { scene, own, other in
            let document = "schema: of-\(own.slug)\nfields: { note: { from: /note, type: string } }\n"
            let headers = ["Content-Type": "application/yaml"]
            let put = try await scene.server.send(
                "PUT",
                "/v1/schemas/of-\(own.slug)",
                body: document,
                key: own.key(.admin),
                headers: headers
            )
            #expect(put.status == 200, "\(put.body)")
            let theirs = try await scene.server.get("/v1/schemas", key: other.key(.admin))
            #expect(theirs.status == 200 && !theirs.body.contains("of-\(own.slug)"), "\(theirs.body)")
        },
        "GET /v1/quarantine": { scene, own, other in
            let bad = try await scene.server.post("/v1/events", Webhook.body(user: own.slug, serial: nil), key: own.key(.ingest))
            #expect(bad.status == 422, "\(bad.body)")
            let kept = try await scene.migrated.psql(
                "SELECT q.id FROM quarantine q JOIN tenants t USING (tenant_id) WHERE t.slug = '\(own.slug)' ORDER BY 1 LIMIT 1"
            )
            let listed = try await scene.server.get("/v1/quarantine", key: own.key(.admin))
            let theirs = try await scene.server.get("/v1/quarantine", key: other.key(.admin))
            #expect(listed.status == 200 && listed.body.contains(kept), "\(listed.body)")
            #expect(theirs.status == 200 && !theirs.body.contains(kept), "\(theirs.body)")
        },
        "POST /v1/quarantine/replay": { scene, own, other in
            let theirs = "SELECT md5(string_agg(q::text, ' ' ORDER BY id)) FROM quarantine q JOIN tenants t USING (tenant_id) "
            let before = try await scene.migrated.psql("\(theirs) WHERE t.slug = '\(other.slug)'")
            let replayed = try await scene.server.post("/v1/quarantine/replay", "", key: own.key(.admin))
            #expect(replayed.status == 200, "\(replayed.body)")
            #expect(try await scene.migrated.psql("\(theirs) WHERE t.slug = '\(other.slug)'") == before)
        },
        "GET /v1/events/{id}": { scene, own, other in
            let absentID = String(other.id.dropLast()) + (other.id.hasSuffix("0") ? "1" : "0")
            for kind in [KeyKind.query, .admin] {
                #expect(try await scene.server.get("/v1/events/\(own.id)", key: own.key(kind)).status == 200)
                let theirs = try await scene.server.get("/v1/events/\(other.id)", key: own.key(kind))
                let absent = try await scene.server.get("/v1/events/\(absentID)", key: own.key(kind))
                #expect(theirs.status == 404 && Self.told(theirs) == Self.told(absent), "\(theirs.body) \(absent.body)")
            }
        },
    ]

    @Test func nothingCrossesOnAnyRoute() async throws {
        let scene = try await Scene.make()
        let administration = scene.administration
        _ = try await administration.createTenant(slug: "globex", name: "Globex", retentionDays: 3650)
        _ = try await administration.applySchema(tenant: "globex", document: SchemaDocument(yaml: SchemaTemplate.privilegesWebhook.yaml))
        var tenants: [Tenant] = []
        for slug in ["acme", "globex"] {
            _ = try await administration.createSource(tenant: slug, slug: "\(slug)-only", profile: .privilegesWebhook, schemaName: nil)
            var keys: [KeyKind: String] = [:]
            for kind in KeyKind.allCases { keys[kind] = try await Scene.makeKey(kind, administration, tenant: slug) }
            var tenant = Tenant(slug: slug, keys: keys)
            for second in 0..<2 {
                let body = Webhook.body(user: "of.\(slug)", secondsLater: Int64(second))
                let reply = try await scene.server.post(
                    "/v1/events",
                    body,
                    key: tenant.key(.ingest),
                    headers: ["x-source-id": "\(slug)-only"]
                )
                #expect(reply.json["accepted"].int == 1, "\(reply.body)")
            }
            let page = try await scene.server.get("/v1/events?limit=1", key: tenant.key(.query))
            tenant.id = try #require(page.json["data"][0]["id"].string)
            tenant.cursor = try #require(page.json["next_cursor"].string)
            tenants.append(tenant)
        }
        for route in try DeclaredRoute.all() where route.scope != nil {
            let trial = try #require(Self.trials[route.name], "\(route.name) has no trial here: write one")
            for (own, other) in [(tenants[0], tenants[1]), (tenants[1], tenants[0])] { try await trial(scene, own, other) }
        }
        let stored = try await scene.migrated.psql(
            "SELECT t.slug, count(*), count(*) FILTER (WHERE e.actor = 'of.' || t.slug OR e.extra ->> 'user' = 'of.' || t.slug) "
                + "FROM events e JOIN tenants t USING (tenant_id) GROUP BY 1 ORDER BY 1"
        )
        #expect(stored == "acme|4|4\nglobex|4|4", "each holds its own four")
        await scene.server.stop()
    }

    /// What an answer tells, without what differs from one request to the next.
    private static func told(_ reply: RunningServer.Reply) -> String {
        ["type", "title", "code", "detail"].map { reply.json[$0].string ?? "-" }.joined(separator: "|")
            + "|\(reply.json.keys.sorted())|\(reply.status)"
    }
}
