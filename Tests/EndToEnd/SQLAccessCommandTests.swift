import EventStore
import Foundation
import LocalCluster
import TestSupport
import Testing

/// `sluice tenant sql-access`, as an operator types it, and a schema that a tenant's admin changes over HTTP.
@Suite(.fewAtOnce) struct SQLAccessCommandTests {
    @Test func opensFollowsAndTakesAway() async throws {
        let scene = try await Scene.make()
        let folder = try ScratchFolder()
        let login = "sluice_sql_\(UInt64.random(in: 0 ..< .max))"
        let file = folder.path("password")
        func run(_ arguments: String...) async throws -> (status: ChildExit, output: String) {
            try await SluiceCommand.run(["tenant", "sql-access", "acme"] + arguments, on: scene.migrated)
        }
        let opened = try await run("--login", login, "--connections", "3", "--timeout", "30s", "--password-file", file, "--output", "json")
        let shown = JSONValue(opened.output)
        #expect(opened.status == .exited(0), "\(opened.output)")
        #expect(shown["login"].string == login && shown["schema"].string == "tenant_acme" && shown["timeout_seconds"].int == 30)
        #expect(shown["views"][0].string == "privileges_webhook" && shown["password"].string == nil)
        let password = try String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        TestRun.register(secret: password)
        #expect(password.utf8.count == 30 && !opened.output.contains(password))
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)

        #expect(try await scene.server.post("/v1/events", Webhook.body(), key: scene.ingest).status == 200)
        func ask(_ sql: String) async throws -> String {
            let url = scene.migrated.apiURL.replacing("sluice_api", with: login)
            let psql = try await PostgresBinaries.find().path("psql")
            let command = ChildCommand(psql, ["-XqAt", "-c", sql, url], environment: ["PGPASSWORD": password, "LC_ALL": "C"])
            return try await ProcessSpawner.shared.run(command).output.trimmingCharacters(in: .newlines)
        }
        #expect(
            try await ask("SELECT serial, admin, pg_typeof(expires) FROM privileges_webhook")
                == "\(Webhook.serial)|t|timestamp with time zone"
        )
        let schema = """
            {"schema":"privileges-webhook","core":{"type":"/event","occurred_at":"/timestamp","actor":"/user","machine":"/machine"},"fields":\
            {"number":{"from":"/custom_data/serial","type":"string","renamed_from":"serial","required":true,"indexed":true,"min_length":1,\
            "max_length":64}},"unknown":"keep"}
            """
        let applied = try await scene.server.send(
            "PUT",
            "/v1/schemas/privileges-webhook?allow_breaking=1",
            body: schema,
            key: scene.admin,
            headers: ["Content-Type": "application/json"]
        )
        #expect(applied.status == 200, "\(applied.body)")
        #expect(try await ask("SELECT number FROM privileges_webhook") == Webhook.serial)
        #expect(try await ask("SELECT admin FROM privileges_webhook").contains("does not exist"))

        let again = try await run("--password-file", folder.path("other"))
        #expect(again.status == .exited(64) && again.output.contains("--rotate"), "\(again.output)")
        #expect(try await run("--revoke").status == .exited(64))
        #expect(try await run("--revoke", "--yes").status == .exited(0))
        #expect(try await ask("SELECT 1") != "1")
        #expect(try await run("--revoke", "--yes").output.contains("has no SQL access"))
        await scene.server.stop()
        folder.remove()
    }
}
