import Foundation
import LocalCluster
import TestSupport
import Testing

@testable import AdminCLI

/// `sluice doctor` and `/readyz` on a database that somebody had a hand in.
@Suite(.fewAtOnce) struct DoctorCommandTests {
    private func sluice(
        _ arguments: String...,
        database: String,
        api: String = ""
    ) async throws -> (status: ChildExit, output: String) {
        let environment = ["DATABASE_ADMIN_URL": database, "DATABASE_URL": api, "PATH": "/usr/bin:/bin", "SUDO_USER": "alice"]
        let run = try await ProcessSpawner.shared.run(
            ChildCommand(try BuiltProgram.path("sluice"), arguments, environment: environment)
        )
        TestRun.keep(output: run.output, of: arguments)
        return run
    }

    @Test func doctorIsContentUntilSomethingIsGone() async throws {
        let cluster = try await TestCluster.startPrivate(durability: .durable)
        let migrated = try await MigratedDatabase.make(in: cluster)
        let name = String(migrated.adminURL.split(separator: "/").last?.prefix { $0 != "?" } ?? "")
        let well = try await sluice("doctor", database: migrated.adminURL)
        #expect(well.status == .exited(0) && !well.output.contains("  warn  ") && !well.output.contains("  fail  "), "\(well.output)")

        let month = try await cluster.psql("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' LIMIT 1", database: name)
        for (harm, cure) in [
            ("ALTER TABLE sluice.events DISABLE ROW LEVEL SECURITY", "ALTER TABLE sluice.events ENABLE ROW LEVEL SECURITY"),
            ("GRANT SELECT ON sluice.\(month) TO sluice_reader", "REVOKE SELECT ON sluice.\(month) FROM sluice_reader"),
            ("GRANT SELECT ON sluice.tenants TO sluice_writer", "REVOKE SELECT ON sluice.tenants FROM sluice_writer"),
            ("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf()", "ALTER SYSTEM RESET fsync; SELECT pg_reload_conf()"),
        ] {
            for statement in harm.split(separator: "; ") { try await cluster.psql(String(statement), database: name) }
            let isFound = try await eventually {
                try await self.sluice("doctor", "--output", "json", database: migrated.adminURL).status == .exited(1)
            }
            #expect(isFound, "\(harm)")
            for statement in cure.split(separator: "; ") { try await cluster.psql(String(statement), database: name) }
        }
        let isWell = try await eventually { try await self.sluice("doctor", database: migrated.adminURL).status == .exited(0) }
        #expect(isWell)
        let login = try await sluice("doctor", database: migrated.adminURL, api: migrated.apiURL)
        #expect(login.status == .exited(0) && login.output.contains("reads no tenant by itself"), "\(login.output)")
        let unsafe = try await sluice("doctor", database: migrated.adminURL, api: migrated.adminURL)
        #expect(unsafe.status == .exited(1) && unsafe.output.contains("must not log in as"), "\(unsafe.output)")
        try await cluster.psql("DELETE FROM sluice.migrations WHERE number = (SELECT max(number) FROM sluice.migrations)", database: name)
        let older = try await sluice("doctor", database: migrated.adminURL)
        #expect(older.status == .exited(1) && older.output.contains("run sluice migrate"), "\(older.output)")
        try await cluster.remove()
    }

    @Test func readyzTellsWhenAProtectionIsGoneAndWhenItIsBack() async throws {
        let scene = try await Scene.make()
        func becomes(_ status: Int) async throws -> Bool {
            try await eventually(within: .seconds(10)) { try await scene.server.get("/readyz").status == status }
        }
        #expect(try await becomes(200))
        let month = try await scene.migrated.psql("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' LIMIT 1")
        for (harm, cure) in [
            ("ALTER TABLE events NO FORCE ROW LEVEL SECURITY", "ALTER TABLE events FORCE ROW LEVEL SECURITY"),
            ("GRANT SELECT ON \(month) TO sluice_reader", "REVOKE SELECT ON \(month) FROM sluice_reader"),
        ] {
            try await scene.migrated.psql(harm)
            #expect(try await becomes(503), "\(harm)")
            #expect(try await scene.server.get("/readyz").json["detail"].string?.contains("sluice doctor") == true)
            try await scene.migrated.psql(cure)
            #expect(try await becomes(200), "\(cure)")
        }
        #expect(scene.server.log.contains("run sluice doctor"))
        let seen = scene.server.log.components(separatedBy: "run sluice doctor").count
        try await scene.migrated.psql("GRANT SELECT ON tenants TO sluice_writer")
        #expect(
            try await eventually {
                _ = try await scene.server.get("/readyz"); return scene.server.log.components(separatedBy: "run sluice doctor").count > seen
            }
        )
        #expect(try await scene.server.get("/readyz").status == 200, "more than the migrations gave is told, and no reason to stop")
        await scene.server.stop()
    }

    @Test func auditListShowsWhoDidWhat() async throws {
        let migrated = try await MigratedDatabase.make()
        let made = try await sluice("tenant", "create", "acme", "--retention-days", "30", database: migrated.adminURL)
        #expect(made.status == .exited(0), "\(made.output)")
        let table = try await sluice("audit", "list", "acme", database: migrated.adminURL)
        #expect(table.output.contains("(sudo: alice)") && table.output.contains("name: acme, retention_days: 30"), "\(table.output)")
        let json = try await sluice("audit", "list", "--since", "1h", "--action", "tenant", "--output", "json", database: migrated.adminURL)
        let entry = JSONValue(json.output)[0]
        #expect(
            entry["action"].string == "tenant.create" && entry["tenant"].string == "acme" && entry["address"].string != nil,
            "\(json.output)"
        )
        #expect(entry["changes"]["retention_days"]["after"].int == 30)
        let wrong = try await sluice("audit", "list", "--since", "yesterday", database: migrated.adminURL)
        #expect(wrong.status == .exited(64), "\(wrong.output)")
        let limit = try await sluice("audit", "list", "--limit", "0", database: migrated.adminURL)
        #expect(limit.status == .exited(64), "\(limit.output)")
    }
}
