import EventCore
import EventStore
import Foundation
import LocalCluster
import TestSupport
import Testing

/// A tenant changes what its events look like, over HTTP and with the tool, and loses none.
@Suite struct SchemaStoryTests {
    private func sluice(_ scene: Scene, _ arguments: [String], schema: String? = nil) async throws -> (status: ChildExit, output: String) {
        let file = FileManager.default.temporaryDirectory.appending(path: "schema-\(UUID()).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        if let schema { try Data(schema.utf8).write(to: file) }
        let arguments = arguments.map { $0 == "FILE" ? file.path(percentEncoded: false) : $0 }
        return try await ProcessSpawner.shared.run(
            ChildCommand(
                try BuiltProgram.path("sluice"),
                arguments,
                environment: ["DATABASE_ADMIN_URL": scene.migrated.adminURL, "PATH": "/usr/bin:/bin", "HOME": "/tmp"]
            )
        )
    }

    private static func yaml(_ fields: String...) -> String {
        """
        schema: privileges-webhook
        core: { type: /event, occurred_at: /timestamp, actor: /user, machine: /machine }
        fields:
          serial: { from: /custom_data/serial, type: string, required: true, indexed: true, min_length: 1, max_length: 64 }
          admin: { from: /admin, type: boolean, required: true }
          expires: { from: /expires, type: timestamp, empty_as_null: true }
          reason: { from: /reason, type: string, max_length: 1024 }
        \(fields.map { "  \($0)" }.joined(separator: "\n"))
        unknown: keep
        """
    }

    /// Until every server reads with a version.
    private func untilUsed(_ version: Int, _ scene: Scene, department: String) async throws {
        let isUsed = try await eventually {
            let body = body("W\(UInt32.random(in: 0 ..< .max))", department: department)
            _ = try await scene.server.post("/v1/events", body, key: scene.ingest)
            let newest = try await scene.migrated.psql(
                "SELECT max(version_no) FROM (SELECT version_no FROM events UNION ALL SELECT version_no FROM quarantine) v"
            )
            return newest == "\(version)"
        }
        try #require(isUsed)
    }

    private func body(_ serial: String, department: String? = nil) -> String {
        let body = Webhook.body(serial: serial)
        guard let department else { return body }
        return body.replacing(#""building":"#, with: #""department":\#(department),"building":"#)
    }

    @Test func aTenantsSchemaChangesAndNothingIsLost() async throws {
        let scene = try await Scene.make()
        let server = scene.server
        // Required now: what old senders send waits.
        let required = Self.yaml("department: { from: /custom_data/department, type: string, required: true }")
        let plan = try await sluice(scene, ["schema", "plan", "acme", "FILE"], schema: required)
        #expect(plan.status == .exited(0) && plan.output.contains("2-0-0") && plan.output.contains("department"), "\(plan.output)")
        let refused = try await server.send("PUT", "/v1/schemas/privileges-webhook", body: required, key: scene.admin)
        #expect(refused.status == 409 && refused.json["code"].string == "breaking_change", "\(refused.body)")
        let dry = try await server.send(
            "PUT",
            "/v1/schemas/privileges-webhook?dry_run=1&allow_breaking=1",
            body: required,
            key: scene.admin
        )
        #expect(dry.status == 200 && dry.json["dry_run"].bool == true && dry.json["version"].string == "2-0-0", "\(dry.body)")
        let indexed = Self.yaml("department: { from: /custom_data/department, type: string, indexed: true }")
            .replacing("from: /admin, type: boolean, required: true", with: "from: /admin, type: boolean, required: true, indexed: true")
        let drafted = try await server.send("PUT", "/v1/schemas/privileges-webhook?dry_run=1", body: indexed, key: scene.admin)
        #expect(
            drafted.json["slots_taken"].count == 2 && drafted.json["to_fill"].count == 1 && drafted.json["to_fill"][0].string == "admin"
                && drafted.json["becomes_default"].bool == false,
            "\(drafted.body)"
        )
        let applied = try await server.send("PUT", "/v1/schemas/privileges-webhook?allow_breaking=1", body: required, key: scene.admin)
        #expect(
            applied.status == 200 && applied.json["version"].string == "2-0-0" && applied.json["breaking"].bool == true,
            "\(applied.body)"
        )
        try await untilUsed(2, scene, department: #""7""#)
        _ = try await server.post("/v1/events", body("A1", department: #""42""#), key: scene.ingest)
        let lines = (0..<5).map { body("Q\($0)") } + [body("Q9", department: "9")]
        let old = try await server.post(
            "/v1/events",
            lines.joined(separator: "\n"),
            key: scene.ingest,
            headers: ["Content-Type": "application/x-ndjson"]
        )
        #expect(old.json["quarantined"].int == 6, "\(old.body)")

        // A rehearsal says what making it optional would do, and writes nothing.
        let optional = Self.yaml("department: { from: /custom_data/department, type: string }")
        let rehearsed = try await sluice(scene, ["schema", "rehearse", "acme", "FILE", "--output", "json"], schema: optional)
        let report = JSONValue(rehearsed.output)
        #expect(
            report["quarantined"]["rescued"].int == 5 && report["quarantined"]["by_reason"]["type_mismatch"].int == 1,
            "\(rehearsed.output)"
        )
        #expect(report["accepted"]["would_break"].int == 0)

        #expect(try await sluice(scene, ["schema", "apply", "acme", "FILE"], schema: optional).output.contains("2-1-0"))
        let replayed = try await server.post("/v1/quarantine/replay", "", key: scene.admin)
        #expect(replayed.json["accepted"].int == 5 && replayed.json["still_refused"].int == 1, "\(replayed.body)")
        #expect(replayed.json["next_cursor"].isNull)
        let strict = JSONValue(
            try await sluice(scene, ["schema", "rehearse", "acme", "FILE", "--output", "json"], schema: required).output
        )
        #expect(strict["accepted"]["would_break"].int == 5, "the five that were replayed have none")
        let left = try await server.get("/v1/quarantine", key: scene.admin)
        #expect(left.json["data"].count == 1 && left.json["data"][0]["pointer"].string == "/custom_data/department", "\(left.body)")
        let whole = try await server.get("/v1/quarantine?id=\(left.json["data"][0]["id"].string ?? "")", key: scene.admin)
        #expect(whole.json["data"][0]["body"].string?.contains("Q9") == true)

        // Renamed, then of another type: old and new rows read in one shape.
        let renamed = Self.yaml("dept: { from: /custom_data/department, type: string, renamed_from: department }")
        #expect(try await sluice(scene, ["schema", "apply", "acme", "FILE"], schema: renamed).output.contains("2-2-0"))
        let number = Self.yaml("dept: { from: /custom_data/department, type: integer }")
        let breaking = try await sluice(scene, ["schema", "apply", "acme", "FILE"], schema: number)
        #expect(breaking.status == .exited(1), "\(breaking.output)")
        #expect(try await sluice(scene, ["schema", "apply", "acme", "FILE", "--allow-breaking"], schema: number).output.contains("3-0-0"))
        #expect(try await sluice(scene, ["schema", "apply", "acme", "FILE"], schema: number).output.contains("3-0-0"), "nothing changes")
        try await untilUsed(5, scene, department: "6")
        _ = try await server.post("/v1/events", body("A2", department: "42"), key: scene.ingest)
        let found = try await eventually {
            try await server.get("/v1/events?dept=42", key: scene.query).json["data"].count == 2
        }
        #expect(found)
        let page = try await server.get("/v1/events?limit=100", key: scene.query)
        #expect(try await scene.migrated.psql("SELECT count(*) FROM events") == "\(page.json["data"].count)")
        for place in 0..<page.json["data"].count {
            let fields = page.json["data"][place]["fields"]
            #expect(fields["department"].string == nil && !fields.keys.contains("department"))
        }
        let exported = try await server.get("/v1/export?dept=42", key: scene.query).body.split(separator: "\r\n")
        #expect(exported.count == 3 && exported[0].contains(",machine,admin,dept,expires,"), "\(exported)")
        #expect(exported.dropFirst().allSatisfy { $0.contains(",42,") })
        #expect(try await server.get("/v1/events?serial=A1&dept.min=42&dept.max=42", key: scene.query).json["data"].count == 1)
        #expect(try await server.get("/v1/events?dept=many", key: scene.query).status == 400)
        #expect(try await server.get("/v1/events?department=42", key: scene.query).json["code"].string == "unknown_parameter")
        let listed = try await server.get("/v1/schemas", key: scene.admin)
        #expect(listed.json["data"].count == 5 && listed.json["data"][0]["in_force"].bool == true)
        let named = try await server.get("/v1/schemas?name=privileges-webhook&version=2-0-0", key: scene.admin)
        #expect(named.json["data"][0]["document"].keys.isEmpty)
        #expect(named.json["data"][3]["document"]["fields"]["department"]["required"].bool == true, "\(named.body)")
        let shown = try await sluice(scene, ["schema", "show", "acme", "privileges-webhook"])
        #expect(JSONValue(shown.output)["fields"]["dept"]["type"].string == "integer")
        let rows = try await sluice(scene, ["quarantine", "list", "acme", "--output", "json"])
        #expect(JSONValue(rows.output)[0]["reason"].string == "type_mismatch", "\(rows.output)")
        let purged = try await sluice(scene, ["quarantine", "purge", "acme", "--output", "json"])
        #expect(purged.status == .exited(64) && purged.output.contains("--yes"))
        #expect(try await sluice(scene, ["quarantine", "purge", "acme", "--yes"]).status == .exited(0))
        #expect(try await scene.migrated.psql("SELECT count(*) FROM quarantine") == "0")
        let filled = try await sluice(scene, ["schema", "backfill", "acme", "--output", "json"])
        #expect(filled.status == .exited(0) && JSONValue(filled.output)[0]["version"].string == "3-0-0", "\(filled.output)")
        await server.stop()
    }

    @Test func keepsSchemasAndQuarantineToAdmins() async throws {
        let scene = try await Scene.make()
        for path in ["/v1/schemas", "/v1/quarantine"] {
            for key in [scene.ingest, scene.query, scene.hook] { #expect(try await scene.server.get(path, key: key).status == 403) }
            #expect(try await scene.server.get(path, key: scene.admin).status == 200)
        }
        #expect(try await scene.server.post("/v1/quarantine/replay", "", key: scene.query).status == 403)
        await scene.server.stop()
    }

    @Test(
        arguments: [
            ("schema: privileges-webhook\nfields: [", "application/yaml", 422, "invalid_schema"),
            ("schema: other", "", 422, "schema_name_mismatch"),
            (
                "schema: privileges-webhook\nfields:\n" + (0..<9).map { "  f\($0): { from: /v, type: string }\n" }.joined(), "", 422,
                "invalid_schema"
            ),
            (#"{"schema":"privileges-webhook","#, "application/json", 400, "not_json"), ("schema: x", "text/html", 415, "unsupported_type"),
            ("schema: privileges-webhook #" + String(repeating: "x", count: 70_000), "", 413, "too_large"),
        ] as [(String, String, Int, String)]
    )
    func saysWhatIsWrongWithADocument(document: String, type: String, status: Int, code: String) async throws {
        let scene = try await Scene.make()
        let headers = type.isEmpty ? [:] : ["Content-Type": type]
        let reply = try await scene.server.send("PUT", "/v1/schemas/privileges-webhook", body: document, key: scene.admin, headers: headers)
        #expect(reply.status == status && reply.json["code"].string == code, "\(reply.body)")
        #expect(try await scene.migrated.psql("SELECT count(*) FROM schemas") == "1")
        await scene.server.stop()
    }

    @Test func saysWhereADocumentIsNoJSON() async throws {
        let scene = try await Scene.make()
        let document = "{\n  \"schema\": \"privileges-webhook\",\n  \"ä\": nope\n}"
        let headers = ["Content-Type": "application/json"]
        let reply = try await scene.server.send("PUT", "/v1/schemas/privileges-webhook", body: document, key: scene.admin, headers: headers)
        #expect(
            reply.json["code"].string == "not_json" && reply.json["detail"].string?.hasPrefix("line 3, column 9: ") == true,
            "\(reply.body)"
        )
        await scene.server.stop()
    }

    /// 200 clients send while ten versions are applied: every answer is a 200, and every row has a version that is published.
    @Test func ingestGoesOnWhileVersionsAreApplied() async throws {
        let scene = try await Scene.make()
        let clients = 200
        let isApplied = Locked(false)
        let (failures, sent) = try await withThrowingTaskGroup(of: (Int, Int).self) { group in
            for client in 0..<clients {
                group.addTask {
                    var failures = 0
                    var number = 0
                    // Some more when the last version is there: servers may take two seconds to learn of it.
                    var more = 3
                    while more > 0 {
                        let reply = try await scene.server.post(
                            "/v1/events",
                            Webhook.body(serial: "C\(client)N\(number)"),
                            key: scene.ingest
                        )
                        if reply.status != 200 || reply.json["accepted"].int != 1 { failures += 1 }
                        number += 1
                        if isApplied.value { more -= 1 }
                    }
                    return (failures, number)
                }
            }
            group.addTask {
                for version in 1...10 {
                    let fields = (1...version).map { "f\($0): { from: /custom_data/f\($0), type: string }" }
                    let document = try SchemaDocument(yaml: Self.yaml(fields.joined(separator: "\n  ")))
                    _ = try await scene.administration.applySchema(tenant: "acme", document: document)
                    // Events are read with it before the next one comes.
                    let isUsed = try await eventually {
                        try await scene.migrated.psql("SELECT count(*) > 0 FROM events WHERE version_no = \(version + 1)") == "t"
                    }
                    if !isUsed { Issue.record("no event came under version \(version + 1)") }
                }
                isApplied.value = true
                return (0, 0)
            }
            return try await group.reduce((0, 0)) { ($0.0 + $1.0, $0.1 + $1.1) }
        }
        #expect(failures == 0)
        #expect(try await scene.migrated.psql("SELECT count(*) FROM events") == "\(sent)")
        let unpublished = try await scene.migrated.psql(
            "SELECT count(*) FROM events e WHERE NOT EXISTS (SELECT FROM schemas s WHERE s.tenant_id = e.tenant_id AND s.version_no = e.version_no)"
        )
        #expect(unpublished == "0")
        #expect(try await scene.migrated.psql("SELECT count(*) FROM schemas") == "11")
        await scene.server.stop()
    }
}
