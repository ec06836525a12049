import EventStore
import LocalCluster
import TestSupport
import Testing

/// The operator's commands for sources, as programs, beside a running server.
@Suite(.fewAtOnce) struct SourceCommandTests {
    private let scene: Scene

    init() async throws {
        scene = try await .make()
    }

    @discardableResult
    private func sluice(_ arguments: String..., status: Int32 = 0) async throws -> JSONValue {
        JSONValue(try await told(arguments, status: status))
    }

    private func told(_ arguments: [String], status: Int32) async throws -> String {
        try await SluiceCommand.output(arguments, status: status, on: scene.migrated)
    }

    private func post(_ user: String, to source: String, secondsLater seconds: Int64 = 0) async throws -> JSONValue {
        let body = Webhook.body(user: user, secondsLater: seconds)
        return try await scene.server.post("/v1/events", body, key: scene.ingest, headers: ["x-source-id": source]).json
    }

    private func event(of user: String) async throws -> JSONValue {
        try await scene.server.get("/v1/events?actor=\(user)", key: scene.query).json["data"][0]
    }

    @Test func givesASourceAnotherSchema() async throws {
        try await sluice("source", "create", "acme", "macs", "--profile", "privileges-webhook")
        #expect(try await post("whole", to: "macs", secondsLater: -60)["accepted"].int == 1)
        try await sluice("source", "update", "acme", "macs", status: 64)
        try await sluice("source", "update", "acme", "macs", "--schema", "privileges-webhook", "--no-schema", status: 64)
        try await sluice("source", "update", "acme", "macs", "--schema", "nope", status: 1)
        let update = try await sluice("source", "update", "acme", "macs", "--schema", "privileges-webhook")
        #expect(update["schema"].string == "privileges-webhook" && update["profile"].string == "privileges-webhook")
        let isRead = try await eventually(within: .seconds(20)) {
            let user = "read-\(UInt32.random(in: 0 ..< .max))"
            guard try await post(user, to: "macs")["accepted"].int == 1 else { return false }
            return try await event(of: user)["fields"]["serial"].string == Webhook.serial
        }
        #expect(isRead, "new records are read with it")
        let whole = try await scene.server.get("/v1/events?source=macs&order=asc&limit=1", key: scene.query).json["data"][0]
        #expect(whole["schema"].isNull && whole["extra"]["user"].string == "whole", "what was stored stays as it is")
        #expect(try await sluice("source", "update", "acme", "macs", "--no-schema")["schema"].isNull)
        let audit = try await sluice("audit", "list", "acme", "--action", "source.update")
        #expect(audit.count == 2)
        await scene.server.stop()
    }

    @Test func deletesASourceThatNothingWritesTo() async throws {
        try await sluice("source", "create", "acme", "macs", "--profile", "generic", "--schema", "privileges-webhook")
        let key = try await sluice("key", "create", "acme", "--kind", "ing", "--source", "macs")
        let id = try #require(key["id"].string)
        #expect(try await post("kept", to: "macs")["accepted"].int == 1)
        let shown = try await sluice("source", "show", "acme", "macs")
        #expect(shown["source"]["schema"].string == "privileges-webhook" && shown["keys"][0]["id"].string == id && shown["keys"].count == 1)
        try await sluice("source", "show", "acme", "nope", status: 1)

        try await sluice("source", "delete", "acme", "macs", status: 64)
        let refusal = try await told(["source", "delete", "acme", "macs", "--yes"], status: 64)
        #expect(refusal.contains("the key \(id)") && refusal.contains("sluice key revoke acme"), "\(refusal)")
        try await sluice("source", "delete", "acme", "default", "--yes", status: 64)
        try await sluice("key", "revoke", "acme", id, "--yes")

        let unacceptable = try await scene.server.post(
            "/v1/events",
            Webhook.body(serial: nil),
            key: scene.ingest,
            headers: ["x-source-id": "macs"]
        )
        #expect(unacceptable.status == 422)
        #expect(try await told(["source", "delete", "acme", "macs", "--yes"], status: 64).contains("wait in quarantine"))
        try await sluice("quarantine", "purge", "acme", "--source", "macs", "--yes")
        try await sluice("tenant", "hold", "acme")
        #expect(try await told(["source", "delete", "acme", "macs", "--yes"], status: 1).contains("legal hold"))
        try await sluice("tenant", "release", "acme", "--yes")
        #expect(try await sluice("source", "delete", "acme", "macs", "--yes")["slug"].string == "macs")
        let audit = try await sluice("audit", "list", "acme", "--action", "source.delete")
        #expect(audit[0]["changes"]["revoked_keys"]["before"][0].string == id, "what they wrote to is told there alone")

        try await sluice("source", "show", "acme", "macs", status: 1)
        #expect(try await sluice("source", "list", "acme").count == 1)
        let revoked = try await sluice("key", "show", "acme", id)
        #expect(revoked["key"]["source"].isNull && revoked["key"]["revoked_at"].string != nil)
        let kept = try await event(of: "kept")
        #expect(kept["source"].isNull && kept["fields"]["serial"].string == Webhook.serial, "its events stay")
        let isUnknown = try await eventually(within: .seconds(20)) {
            let tally = try await post("late-\(UInt32.random(in: 0 ..< .max))", to: "macs")
            return tally["quarantined"].int == 1 && tally["errors"][0]["code"].string == "unknown_source"
        }
        #expect(isUnknown, "who still names it keeps nothing from us")
        await scene.server.stop()
    }
}
