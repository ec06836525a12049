import Access
import EventCore
import EventStore
import Foundation
import TestSupport
import Testing

/// Every way a body may come, and what becomes of its records.
@Suite(.fewAtOnce) struct EngineTests {
    private func lines(_ count: Int, user: String = "u") -> [String] {
        (0..<count).map { Webhook.body(user: "\(user)\($0)", secondsLater: Int64($0)) }
    }

    private let ndjson = ["Content-Type": "application/x-ndjson"]

    @Test func takesEveryFramingOnce() async throws {
        let scene = try await Scene.make()
        let records = lines(3)
        let bodies: [(String, [String: String])] = [
            (records.joined(separator: "\n"), ndjson), (records.joined(separator: "\r\n") + "\r\n\r\n", ndjson),
            ("[" + records.joined(separator: " , ") + "]", ["Content-Type": "application/json"]),
            (records.joined(), ["Content-Type": "application/json"]), (records.joined(separator: "\n\n"), [:]),
        ]
        for (place, (body, headers)) in bodies.enumerated() {
            let reply = try await scene.server.post("/v1/events", body, key: scene.ingest, headers: headers)
            #expect(reply.status == 200 && reply.json["received"].int == 3, "\(place): \(reply.body)")
            #expect(reply.json[place == 0 ? "accepted" : "duplicates"].int == 3, "\(place): \(reply.body)")
        }
        #expect(try await scene.migrated.psql("SELECT count(*) FROM events") == "3")
        await scene.server.stop()
    }

    @Test func storesTheRestOfABatchAndKeepsTheBadOneWhole() async throws {
        let scene = try await Scene.make()
        var records = lines(1000)
        records[500] = Webhook.body(user: "bad", serial: nil)
        let reply = try await scene.server.post("/v1/events", records.joined(separator: "\n"), key: scene.ingest, headers: ndjson)
        #expect(reply.status == 200 && reply.json["accepted"].int == 999 && reply.json["quarantined"].int == 1, "\(reply.body)")
        #expect(reply.json["errors"].count == 1 && reply.json["errors"][0]["index"].int == 500)
        #expect(reply.json["errors"][0]["code"].string == "missing_field")
        #expect(reply.json["errors"][0]["pointer"].string == "/custom_data/serial")
        let kept = try await scene.migrated.psql("SELECT reason, pointer, convert_from(body, 'UTF8') FROM quarantine")
        #expect(kept == "missing_field|/custom_data/serial|\(records[500])")
        await scene.server.stop()
    }

    @Test func answersEachProfileInItsOwnWay() async throws {
        let scene = try await Scene.make()
        for profile in SenderProfile.allCases {
            _ = try await scene.administration.createSource(
                tenant: "acme",
                slug: profile.rawValue,
                profile: profile,
                schemaName: "privileges-webhook"
            )
        }
        let bad = Webhook.body(serial: nil)
        for (profile, status) in [(SenderProfile.privilegesWebhook, 422), (.fluentBit, 200), (.generic, 422)] {
            let headers = ["x-source-id": profile.rawValue]
            let single = try await scene.server.post("/v1/events", bad, key: scene.ingest, headers: headers)
            #expect(single.status == status, "\(profile): \(single.body)")
            let batch = try await scene.server.post("/v1/events", "[\(bad)]", key: scene.ingest, headers: headers)
            #expect(batch.status == 200 && batch.json["quarantined"].int == 1, "\(profile): an array of one is a batch: \(batch.body)")
        }
        let kept = try await scene.migrated.psql("SELECT count(*), sum(count) FROM quarantine")
        #expect(kept == "3|6", "one row for each source, the repeated body counted")
        await scene.server.stop()
    }

    @Test func rejectsABatchWholeWhenItIsAskedTo() async throws {
        let scene = try await Scene.make()
        let body = [Webhook.body(), Webhook.body(serial: nil)].joined(separator: "\n")
        let path = "/v1/events?on_invalid=reject"
        let reply = try await scene.server.post(path, body, key: scene.ingest, headers: ndjson)
        #expect(reply.status == 422 && reply.json["errors"][0]["index"].int == 1 && reply.json["accepted"].int == 0, "\(reply.body)")
        #expect(try await scene.migrated.psql("SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM quarantine)") == "0")
        let good = try await scene.server.post(path, lines(2500).joined(separator: "\n"), key: scene.ingest, headers: ndjson)
        #expect(good.status == 200 && good.json["accepted"].int == 2500, "\(good.body)")
        let wrong = try await scene.server.post("/v1/events?on_invalid=maybe", body, key: scene.ingest)
        #expect(wrong.status == 400)
        await scene.server.stop()
    }

    @Test func rejectsAnUnknownSourceWhole() async throws {
        let scene = try await Scene.make()
        for body in ["[\(Webhook.body()),5]", "[\(Webhook.body())]"] {
            let reply = try await scene.server.post(
                "/v1/events?on_invalid=reject",
                body,
                key: scene.ingest,
                headers: ["x-source-id": "nope"]
            )
            #expect(reply.status == 422 && reply.json["errors"][0]["code"].string == "unknown_source", "\(reply.body)")
        }
        #expect(try await scene.migrated.psql("SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM quarantine)") == "0")
        await scene.server.stop()
    }

    @Test func letsTheSenderKeepWhatAFullQuarantineCannot() async throws {
        let scene = try await Scene.make()
        try await scene.migrated.psql(#"UPDATE tenants SET limits = '{"quarantine_bytes": 10}'"#)
        for body in ["{\"cut\":", Webhook.body(serial: nil)] {
            #expect(try scene.hookBytes(body).isEmpty, "a hook gets no byte: \(body.prefix(8))")
            let reply = try await scene.server.post("/v1/events", "[\(Webhook.body(serial: nil))]", key: scene.ingest)
            #expect(reply.status == 503 && reply.headers["retry-after"] != nil, "\(reply.body)")
            #expect(reply.json["title"].string == "Service Unavailable")
        }
        #expect(try await scene.server.post(scene.hookPath, Webhook.body()).json["accepted"].int == 1, "events are not concerned")
        try await scene.migrated.psql(#"UPDATE tenants SET limits = '{"quarantine_bytes": "1GB"}'"#)
        #expect(try await scene.server.post(scene.hookPath, "{\"cut\":").status == 400, "a limit that is no number is the default")
        await scene.server.stop()
    }

    @Test func takesARetryWithTheSameRequestIDForTheSameEvents() async throws {
        let scene = try await Scene.make()
        _ = try await scene.administration.createSource(tenant: "acme", slug: "plain", profile: .generic, schemaName: nil)
        var headers = ["x-source-id": "plain", "Idempotency-Key": "order-1"]
        let body = "{\"n\":1}\n{\"n\":1}"
        let first = try await scene.server.post("/v1/events", body, key: scene.ingest, headers: headers)
        #expect(first.json["accepted"].int == 2, "two records of one request are two events: \(first.body)")
        let retry = try await scene.server.post("/v1/events", body, key: scene.ingest, headers: headers)
        #expect(retry.status == 200 && retry.json["duplicates"].int == 2, "\(retry.body)")
        let reused = try await scene.server.post("/v1/events", "{\"n\":2}\n{\"n\":1}", key: scene.ingest, headers: headers)
        #expect(reused.json["quarantined"].int == 1 && reused.json["duplicates"].int == 1, "\(reused.body)")
        #expect(reused.json["errors"][0]["code"].string == "id_reused")
        headers["Idempotency-Key"] = "order-2"
        let other = try await scene.server.post("/v1/events", body, key: scene.ingest, headers: headers)
        #expect(other.json["accepted"].int == 2, "\(other.body)")
        await scene.server.stop()
    }

    @Test func keepsWhatAHookSentThoughItIsNoRecordAtAll() async throws {
        let scene = try await Scene.make()
        let reply = try await scene.server.post(scene.hookPath, "{\"cut\":")
        #expect(reply.status == 400, "\(reply.body)")
        #expect(try await scene.migrated.psql("SELECT reason, convert_from(body, 'UTF8') FROM quarantine") == "not_json|{\"cut\":")
        let trailing = try await scene.server.post("/v1/events", Webhook.body() + "x", key: scene.ingest)
        #expect(trailing.status == 400)
        #expect(try await scene.migrated.psql("SELECT count(*) FROM events") == "0", "a refused request stores nothing")
        await scene.server.stop()
    }

    @Test func refusesOtherTypesAndEncodings() async throws {
        let scene = try await Scene.make()
        let xml = try await scene.server.post("/v1/events", "<a/>", key: scene.ingest, headers: ["Content-Type": "text/xml"])
        #expect(xml.status == 415 && xml.json["code"].string == "unsupported_type")
        for encoding in ["br", "gzip, gzip", "deflate"] {
            let reply = try await scene.server.post("/v1/events", "x", key: scene.ingest, headers: ["Content-Encoding": encoding])
            #expect(reply.status == 415 && reply.json["code"].string == "unsupported_encoding", "\(encoding)")
        }
        let hook = try await scene.server.post(scene.hookPath, Webhook.body(), headers: ["Content-Type": "text/xml"])
        #expect(hook.status == 200, "a hook takes what parses")
        await scene.server.stop()
    }

    @Test func bringsNumbersBackAsTheyWereSent() async throws {
        let scene = try await Scene.make()
        for (place, number) in ["9223372036854775808", "1.000000000000000005", "12345678901234567890123", "-0.10"].enumerated() {
            let body = Webhook.body(secondsLater: Int64(place)).dropLast() + ",\"n\":\(number)}"
            #expect(try await scene.server.post("/v1/events", String(body), key: scene.ingest).json["accepted"].int == 1)
            let read = try await scene.server.get("/v1/events?limit=1", key: scene.query)
            #expect(read.body.contains("\"n\": \(number)"), "\(read.body)")
        }
        let flood = "[" + Array(repeating: "1e999", count: 100).joined(separator: ",") + "]"
        let body = Webhook.body(secondsLater: 60).dropLast() + ",\"n\":\(flood)}"
        let reply = try await scene.server.post("/v1/events", String(body), key: scene.ingest)
        #expect(reply.status == 422 && reply.json["code"].string == "number_out_of_range", "\(reply.body)")
        await scene.server.stop()
    }

    /// What 32 clients are told adds up, and equals the rows.
    @Test func accountsForEveryRecord() async throws {
        let scene = try await Scene.make()
        let replies = try await withThrowingTaskGroup(of: [RunningServer.Reply].self) { group in
            for client in 0..<32 {
                group.addTask {
                    var replies: [RunningServer.Reply] = []
                    for round in 0..<4 {
                        let records = [
                            Webhook.body(user: "shared\(round)"), Webhook.body(user: "own\(client)-\(round)"),
                            Webhook.body(user: "own\(client)-\(round)"), Webhook.body(user: "bad\(client)", serial: nil), "{no json",
                        ]
                        replies.append(
                            try await scene.server.post(
                                "/v1/events",
                                records.joined(separator: "\n"),
                                key: scene.ingest,
                                headers: self.ndjson
                            )
                        )
                    }
                    return replies
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(replies.allSatisfy { $0.status == 200 })
        let sum = { (name: String) in replies.reduce(0) { $0 + ($1.json[name].int ?? 0) } }
        #expect(sum("received") == 32 * 4 * 5)
        #expect(sum("accepted") == 4 + 32 * 4)
        #expect(sum("quarantined") == 32 * 4 * 2)
        #expect(sum("received") == sum("accepted") + sum("duplicates") + sum("quarantined"))
        #expect(try await scene.migrated.psql("SELECT count(*) FROM events") == "\(4 + 32 * 4)")
        #expect(try await scene.migrated.psql("SELECT count(*), sum(count) FROM quarantine") == "33|\(32 * 4 * 2)")
        await scene.server.stop()
    }
}
