import Access
import EventStore
import Foundation
import LocalCluster
import TestSupport
import Testing

/// The operator's commands for keys and limits, as programs.
@Suite(.fewAtOnce) struct KeyCommandTests {
    private let migrated: MigratedDatabase

    init() async throws {
        migrated = try await .make()
        _ = try await sluice("tenant", "create", "acme", "--name", "Acme")
    }

    @discardableResult
    private func sluice(_ arguments: String..., status: Int32 = 0) async throws -> JSONValue {
        JSONValue(try await SluiceCommand.output(arguments, status: status, on: migrated))
    }

    @Test func rotatesAKeyAndShowsWhoStillUsesIt() async throws {
        let old = try await sluice("key", "create", "acme", "--kind", "ing", "--name", "Fleet", "--expires", "90d")
        let id = try #require(old["id"].string)
        let new = try await sluice("key", "rotate", "acme", id, "--overlap", "12h")
        #expect(new["kind"].string == "ing" && new["name"].string == "Fleet" && APIKey(new["key"].string ?? "") != nil)
        try await migrated.psql(
            "SELECT note_key_senders(ARRAY['\(id)', '\(id)'], ARRAY['mac-1', ''], ARRAY[3, 2]::bigint[], ARRAY[now(), now()])"
        )
        let shown = try await sluice("key", "show", "acme", id)
        #expect(shown["key"]["superseded_by"].string == new["id"].string && shown["key"]["senders"].int == 2)
        #expect(shown["senders"][0]["sender"].string == "mac-1" && shown["senders"][0]["count"].int == 3)
        #expect(shown["senders"][1]["sender"].string == "(others)" && shown["senders"][1]["last_seen"].string != nil)
        let list = try await sluice("key", "list", "acme")
        #expect(list.count == 2 && list[0]["id"].string == id && list[1]["last_used_at"].isNull)
        try await sluice("key", "rotate", "acme", id, "--overlap", "12h", status: 1)
        try await sluice("key", "rotate", "acme", id, "--overlap", "soon", status: 64)
        try await sluice("key", "show", "acme", "nope", status: 64)
    }

    /// What the operator is told beside the JSON.
    private func told(_ arguments: String...) async throws -> String {
        let run = try await ProcessSpawner.shared.run(SluiceCommand.command(arguments, on: migrated))
        #expect(run.status == .exited(0), "\(arguments): \(run.output)")
        return run.output
    }

    /// Its sender would take a refusal for success.
    @Test(arguments: ["generic", "fluent-bit", "privileges-webhook"])
    func warnsOfAWebhooksKeyForASourceThatAnswersWhatItCannotStore(profile: String) async throws {
        try await sluice("source", "create", "acme", "macs", "--profile", profile)
        let warning = "SAP Privileges takes that for success"
        let isRight = profile == "privileges-webhook"
        let made = try await told("key", "create", "acme", "--kind", "hook", "--source", "macs")
        #expect(made.contains(warning) != isRight && made.contains("slc_hook_"), "\(made)")
        #expect(made.contains("sluice source update acme macs --profile privileges-webhook") == (profile == "generic"), "\(made)")
        #expect(try await !told("key", "create", "acme", "--kind", "ing", "--source", "macs").contains(warning))
        let id = try #require(try await sluice("key", "list", "acme")[0]["id"].string)
        #expect(try await told("key", "rotate", "acme", id).contains(warning) != isRight)

        #expect(try await !told("source", "update", "acme", "macs", "--profile", "privileges-webhook").contains(warning))
        #expect(
            try await sluice("source", "update", "acme", "macs", "--profile", "privileges-webhook")["profile"].string
                == "privileges-webhook"
        )
        #expect(try await told("source", "update", "acme", "macs", "--profile", "fluent-bit").contains(warning))
        #expect(try await !told("source", "update", "acme", "default", "--profile", "fluent-bit").contains(warning), "it has no hook key")
        try await sluice("source", "update", "acme", "nope", "--profile", "generic", status: 1)
        try await sluice("source", "update", "acme", "macs", "--profile", "nope", status: 64)
        try await sluice("key", "create", "acme", "--kind", "hook", "--expires", "0s", status: 64)
    }

    @Test func importsPrivLogsKeys() async throws {
        let path = "/tmp/sluice-keys-\(getpid())-\(UInt32.random(in: 0 ..< .max))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try "privlog-key-0123456789:Grafana\nprivlog-key-9876543210:Script\n".write(toFile: path, atomically: true, encoding: .utf8)
        let imported = try await sluice("key", "import", "acme", "--file", path)
        #expect(imported.count == 2 && imported[0]["kind"].string == "qry" && imported[0]["imported"].bool == true)
        try "short:x".write(toFile: path, atomically: true, encoding: .utf8)
        try await sluice("key", "import", "acme", "--file", path, status: 64)
        try await sluice("key", "import", "acme", "--file", "\(path).nope", status: 64)
    }

    @Test func setsAndShowsLimits() async throws {
        let set = try await sluice("tenant", "update", "acme", "--limit", "events_per_second=1000", "--limit", "events_per_month=5000000")
        #expect(set["limits"]["events_per_second"].int == 1000)
        try await sluice("tenant", "update", "acme", "--limit", "events_per_second=none", "--retention-days", "30")
        let shown = try await sluice("tenant", "show", "acme")
        #expect(shown["limits"].keys == ["events_per_month"] && shown["retention_days"].int == 30 && shown["stored_this_month"].int == 0)
        for wrong in ["events_per_second=0", "nope=1", "events_per_second", "events_per_second=1e3"] {
            try await sluice("tenant", "update", "acme", "--limit", wrong, status: 64)
        }
        try await sluice("tenant", "update", "acme", status: 64)
        #expect(try await sluice("tenant", "suspend", "acme", "--yes")["suspended"].bool == true)
        #expect(try await sluice("tenant", "resume", "acme")["suspended"].bool == false)
        try await sluice("tenant", "show", "nope", status: 1)
    }
}
