import Access
import EventCore
import EventStore
import Foundation
import TestSupport
import Testing

/// From a sender's request to a row and back, over real HTTP.
@Suite(.fewAtOnce) struct MainJobTests {
    @Test func storesAnEventOnceAndReadsItBack() async throws {
        let scene = try await Scene.make()
        let server = scene.server
        let granted = try await server.post(scene.hookPath, Webhook.body(), headers: ["Content-Type": "application/json;charset=utf-8"])
        #expect(granted.status == 200, "\(granted.body)")
        #expect(granted.json["received"].int == 1 && granted.json["accepted"].int == 1 && granted.json["errors"].count == 0)
        let again = try await server.post(scene.hookPath, Webhook.body())
        #expect(again.status == 200 && again.json["duplicates"].int == 1 && again.json["accepted"].int == 0)
        let retried = try await server.post(scene.hookPath, Webhook.body(delayed: true))
        #expect(retried.status == 200 && retried.json["duplicates"].int == 1, "only `delayed` differs: \(retried.body)")
        let revoked = try await server.post(scene.hookPath, Webhook.body(event: "revoked", secondsLater: 20, reason: ""))
        #expect(revoked.status == 200 && revoked.json["accepted"].int == 1)
        _ = try await server.post(scene.hookPath, Webhook.body(user: "zoë.müller"))

        let page = try await server.get("/v1/events?actor=john.doe", key: scene.query)
        #expect(page.status == 200 && page.json["data"].count == 2 && page.json["next_cursor"].isNull, "\(page.body)")
        let (new, old) = (page.json["data"][0], page.json["data"][1])
        #expect(
            old.keys == ["id", "occurred_at", "received_at", "source", "schema", "type", "actor", "machine", "fields", "extra"]
        )
        #expect(new["type"].string == "corp.sap.privileges.revoked")
        #expect(old["type"].string == "corp.sap.privileges.granted")
        #expect(old["occurred_at"].string == Webhook.moment.rfc3339())
        #expect(old["source"].string == "default" && old["schema"].string == "privileges-webhook 1-0-0")
        #expect(old["actor"].string == "john.doe" && old["machine"].string == "16DF8241-7E86-5A4F-8C0F-C49FAA3E7B15")
        #expect(old["fields"]["serial"].string == "C02X8XXXA1B2" && old["fields"]["admin"].bool == true)
        #expect(old["fields"]["expires"].string == Webhook.moment.rfc3339())
        #expect(old["fields"]["reason"].string == "Install Xcode / CLT")
        #expect(old["extra"]["delayed"].bool == false && old["extra"]["custom_data"]["building"].string == "Walldorf/03")
        #expect(new["fields"]["expires"].isNull, "sent empty, read back as no value: \(page.body)")

        let id = try #require(new["id"].string)
        let one = try await server.get("/v1/events/\(id)", key: scene.query)
        #expect(one.status == 200 && one.json["id"].string == id)
        let partition = try await scene.migrated.psql("SELECT DISTINCT tableoid::regclass FROM events")
        #expect(partition.hasPrefix("events_20") && !partition.contains("\n"))
        await server.stop()
    }

    @Test func takesTheSameEventByHeaderToo() async throws {
        let scene = try await Scene.make()
        _ = try await scene.administration.createSource(tenant: "acme", slug: "other", profile: .generic, schemaName: nil)
        let first = try await scene.server.post("/v1/events", Webhook.body(), key: scene.ingest)
        #expect(first.json["accepted"].int == 1, "\(first.body)")
        let hooked = try await scene.server.post(scene.hookPath, Webhook.body())
        #expect(hooked.json["accepted"].int == 1, "the default source is generic: there `delayed` belongs to the event")
        let named = try await scene.server.post("/v1/events", Webhook.body(), key: scene.ingest, headers: ["x-source-id": "other"])
        #expect(named.json["accepted"].int == 1, "the same record of another source is another event: \(named.body)")
        let unknown = try await scene.server.post("/v1/events", Webhook.body(), key: scene.ingest, headers: ["x-source-id": "nope"])
        #expect(unknown.status == 200 && unknown.json["quarantined"].int == 1 && unknown.json["accepted"].int == 0, "\(unknown.body)")
        #expect(unknown.json["errors"][0]["code"].string == "unknown_source")
        let read = try await scene.server.get("/v1/events?source=other", key: scene.query)
        #expect(read.json["data"].count == 1 && read.json["data"][0]["schema"].isNull)
        #expect(read.json["data"][0]["extra"]["user"].string == "john.doe")
        await scene.server.stop()
    }

    @Test func keepsASourceBoundKeyToItsSource() async throws {
        let scene = try await Scene.make()
        _ = try await scene.administration.createSource(
            tenant: "acme",
            slug: "mac-fleet",
            profile: .privilegesWebhook,
            schemaName: "privileges-webhook"
        )
        let key = try await scene.administration.createKey(tenant: "acme", kind: .ingest, source: "mac-fleet").text
        _ = try await scene.server.post("/v1/events", Webhook.body(), key: key)
        let other = try await scene.server.post("/v1/events", Webhook.body(), key: key, headers: ["x-source-id": "default"])
        #expect(other.status == 403, "\(other.body)")
        let read = try await scene.server.get("/v1/events", key: scene.query)
        #expect(read.json["data"].count == 1 && read.json["data"][0]["source"].string == "mac-fleet")
        // Made a moment ago, while the tenant's sources are remembered.
        _ = try await scene.administration.createSource(tenant: "acme", slug: "new", profile: .generic, schemaName: nil)
        let new = try await scene.administration.createKey(tenant: "acme", kind: .ingest, source: "new").text
        #expect(try await scene.server.post("/v1/events", Webhook.body(), key: new).status == 200)
        await scene.server.stop()
    }

    @Test(arguments: [
        (String(Webhook.body().prefix(120)), 400, "not_json"), ("", 422, "empty_body"), (" \n", 422, "empty_body"),
        ("1", 422, "not_an_object"),
        (Webhook.body(serial: nil), 422, "missing_field"), ("{}", 422, "missing_field"),
        (Webhook.body(reason: #"a\u0000"#), 422, "nul_character"), (Webhook.body() + "x", 400, "not_json"),
        (Webhook.body().replacing("john.doe", with: #"j","user":"k"#), 422, "duplicate_key"),
        (Webhook.body(secondsLater: -400_000_000), 422, "timestamp_out_of_range"),
        (Webhook.body(secondsLater: 100_000), 422, "timestamp_out_of_range"),
    ])
    func answersABadBodyWithAClearProblem(body: String, status: Int, code: String) async throws {
        let scene = try await Scene.make()
        let reply = try await scene.server.post(scene.hookPath, body)
        #expect(reply.status == status && reply.json["code"].string == code, "\(reply.body)")
        #expect(reply.headers["content-type"] == "application/problem+json")
        #expect(reply.json["request_id"].string == reply.headers["x-request-id"])
        #expect(!reply.body.contains("Xcode"), "no payload is echoed")
        #expect(try await scene.migrated.psql("SELECT count(*) FROM events") == "0")
        await scene.server.stop()
    }

    @Test func refusesABodyThatIsTooLarge() async throws {
        let scene = try await Scene.make(environment: ["MAX_RECORD_BYTES": "2000"])
        let reply = try await scene.server.post(scene.hookPath, Webhook.body(reason: String(repeating: "x", count: 3000)))
        #expect(reply.status == 413 && reply.json["code"].string == "too_large", "\(reply.body)")
        await scene.server.stop()
    }

    @Test func letsNobodyInWithoutTheRightKey() async throws {
        let scene = try await Scene.make()
        let server = scene.server
        var refused: [RunningServer.Reply] = []
        for headers in [
            [:], ["Authorization": "Bearer nope"], ["Authorization": "Bearer"], ["Authorization": "Basic eDpub3Bl"], ["X-API-Key": "nope"],
            ["Authorization": "Bearer \(scene.query.dropLast())A"], ["Authorization": "Digest \(scene.query)"],
        ] {
            refused.append(try await server.get("/v1/events", headers: headers))
        }
        refused.append(try await server.post("/hooks/nope", Webhook.body()))
        for reply in refused {
            #expect(reply.status == 401 && reply.json["code"].string == "unauthenticated")
            #expect(reply.json["detail"].string == refused.first?.json["detail"].string, "one body for every cause")
            #expect(reply.headers["www-authenticate"] != nil)
        }
        for key in [scene.hook, scene.ingest] { #expect(try await server.get("/v1/events", key: key).status == 403) }
        for key in [scene.hook, scene.query] { #expect(try await server.post("/v1/events", Webhook.body(), key: key).status == 403) }
        for key in [scene.ingest, scene.query, scene.admin] {
            #expect(try await server.post("/hooks/\(key)", Webhook.body()).status == 403, "only a hook key works by URL")
        }
        let basic = Data("x:\(scene.query)".utf8).base64EncodedString()
        #expect(try await server.get("/v1/events", headers: ["Authorization": "Basic \(basic)"]).status == 200)
        #expect(try await server.get("/v1/events", headers: ["X-API-Key": scene.query]).status == 200)
        #expect(try await server.get("/v1/events", key: scene.admin).status == 200)
        await server.stop()
    }

    @Test func refusesARevokedKeyWithinTwoSeconds() async throws {
        let scene = try await Scene.make()
        #expect(try await scene.server.get("/v1/events", key: scene.query).status == 200)
        let id = try #require(try await scene.administration.keys(tenant: "acme").first { $0.kind == .query }?.id)
        try await scene.administration.revokeKey(tenant: "acme", id: id)
        let isRefused = try await eventually {
            try await scene.server.get("/v1/events", key: scene.query).status == 401
        }
        #expect(isRefused)
        await scene.server.stop()
    }

    @Test func pagesWithACursorBoundToItsFilters() async throws {
        let scene = try await Scene.make()
        for second in 0..<5 { _ = try await scene.server.post(scene.hookPath, Webhook.body(secondsLater: Int64(second))) }
        var seen: [String] = []
        var cursor = ""
        repeat {
            let page = try await scene.server.get("/v1/events?limit=2&actor=john.doe\(cursor)", key: scene.query)
            #expect(page.status == 200, "\(page.body)")
            for index in 0..<page.json["data"].count { seen.append(page.json["data"][index]["occurred_at"].string ?? "") }
            cursor = page.json["next_cursor"].string.map { "&cursor=\($0)" } ?? ""
            if !cursor.isEmpty {
                let other = try await scene.server.get("/v1/events?limit=2\(cursor)", key: scene.query)
                #expect(other.status == 400 && other.json["code"].string == "invalid_cursor")
            }
        } while !cursor.isEmpty
        #expect(seen.count == 5 && seen == seen.sorted(by: >))
        await scene.server.stop()
    }

    @Test(arguments: [
        ("colour=red", "colour"), ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("from=yesterday", "from"),
        ("actor=a&actor=b", "actor"), ("actor=", "actor"), ("actor=%00", "actor"),
        ("cursor=nope", "cursor"),
    ])
    func namesTheParameterItCannotTake(query: String, named: String) async throws {
        let scene = try await Scene.make()
        let reply = try await scene.server.get("/v1/events?\(query)", key: scene.query)
        #expect(reply.status == 400 && reply.json["detail"].string?.contains(named) == true, "\(reply.body)")
        await scene.server.stop()
    }

    @Test(arguments: ["actor=%F", "actor=%", "actor=%FF", "actor=%zz"])
    func refusesAQueryThatIsNotPercentEncoded(query: String) async throws {
        let scene = try await Scene.make()
        let bytes = try scene.server.exchange(
            "GET /v1/events?\(query) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: \(scene.query)\r\n\r\n"
        )
        #expect(String(decoding: bytes, as: UTF8.self).hasPrefix("HTTP/1.1 400 "), "\(String(decoding: bytes, as: UTF8.self))")
        await scene.server.stop()
    }

    @Test func tellsAbsentFromForbiddenMethods() async throws {
        let scene = try await Scene.make()
        let absent = try await scene.server.get("/nope")
        #expect(absent.status == 404 && absent.headers["content-type"] == "application/problem+json")
        let id = "01a1b1d1-ad18-8fec-a44e-1587e7a83ea9"
        for path in ["/v1/events/\(id)", "/v1/events/nope"] {
            #expect(try await scene.server.get(path, key: scene.query).json["code"].string == "no_such_event")
        }
        let wrong = try await scene.server.send("DELETE", "/v1/events", key: scene.query)
        #expect(wrong.status == 405 && wrong.headers["allow"] == "GET, HEAD, POST")
        #expect(try await scene.server.get("/hooks/\(scene.hook)").status == 405)
        let head = try await scene.server.send("HEAD", "/livez")
        #expect(head.status == 200 && head.body.isEmpty)
        await scene.server.stop()
    }

    @Test func writesNoSecretAndNoPayloadIntoItsLog() async throws {
        let scene = try await Scene.make(environment: ["LOG_LEVEL": "trace"])
        _ = try await scene.server.post(scene.hookPath, Webhook.body())
        _ = try await scene.server.post("/hooks/\(scene.hook.dropLast())x", Webhook.body())
        _ = try await scene.server.post("/v1/events", Webhook.body(serial: nil), key: scene.ingest)
        _ = try await scene.server.get("/v1/events?actor=john.doe", key: scene.query)
        let log = scene.server.log
        #expect(!log.isEmpty)
        for secret in [scene.hook, scene.ingest, scene.query, scene.admin] { #expect(!log.contains(secret.suffix(36).prefix(30))) }
        for word in ["john.doe", "C02X8XXXA1B2", "Xcode"] { #expect(!log.contains(word)) }
        await scene.server.stop()
    }
}
