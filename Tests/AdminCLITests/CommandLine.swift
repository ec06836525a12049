import Foundation
import LocalCluster
import Postgres
import TestSupport

/// The real `sluice`, in a process of its own.
struct CommandLineTool {
    let database: String
    let home: String
    var variables: [String: String] = [:]

    /// It finds of PostgreSQL what a machine without a server has, such as our image: the client alone.
    static func make(_ database: String) async throws -> CommandLineTool {
        let home = FileManager.default.temporaryDirectory.appending(path: "sluice-cli-\(UUID().uuidString)").path(percentEncoded: false)
        try FileManager.default.createDirectory(atPath: "\(home)/client", withIntermediateDirectories: true)
        let programs = try await PostgresBinaries.find(.client)
        for program in ["pg_dump", "pg_restore", "psql"] {
            try FileManager.default.createSymbolicLink(
                atPath: "\(home)/client/\(program)",
                withDestinationPath: programs.path(program)
            )
        }
        return CommandLineTool(database: database, home: home, variables: ["SLUICE_BIN_POSTGRES": "\(home)/client"])
    }

    var environment: [String: String] {
        ["DATABASE_ADMIN_URL": database, "SLUICE_HOME": home, "PATH": "/usr/bin:/bin"].merging(variables) { $1 }
    }

    @discardableResult
    func run(_ arguments: String...) async throws -> (status: ChildExit, output: String) {
        let run = try await ProcessSpawner.shared.run(
            ChildCommand(try BuiltProgram.path("sluice"), arguments, environment: environment)
        )
        TestRun.keep(output: run.output, of: arguments)
        return run
    }

    /// What a command prints as JSON; it must have gone well.
    func json(_ arguments: String...) async throws -> Any {
        let log = "\(home)/output-\(UUID().uuidString)"
        let command = ChildCommand(
            "/bin/sh",
            ["-c", "out=$0; exec \"$@\" > \"$out\"", log, try BuiltProgram.path("sluice")] + arguments + ["--output", "json"],
            environment: environment
        )
        let run = try await ProcessSpawner.shared.run(command)
        guard run.status == .exited(0) else { throw ToolFailed(arguments: arguments, output: run.output) }
        return try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: log)))
    }

    struct ToolFailed: Error {
        let arguments: [String]
        let output: String
    }

    func remove() {
        try? FileManager.default.removeItem(atPath: home)
    }
}

/// A database with two tenants, and events of them in many months.
enum FilledDatabase {
    static func make(in cluster: TestCluster? = nil) async throws -> MigratedDatabase {
        let database: MigratedDatabase
        if let cluster { database = try await .make(in: cluster) } else { database = try await .make() }
        let connection = try await database.connect()
        try await connection.executeScript(script, deadline: .now + .seconds(60))
        await connection.close()
        return database
    }

    private static let script = """
        SET search_path = sluice; SET timezone = 'UTC';
        INSERT INTO tenants (slug, name, retention_days) VALUES ('acme', 'Acme', 3650), ('globex', 'Globex', 3650);
        INSERT INTO sources (tenant_id, slug, profile) SELECT tenant_id, 'default', 'generic' FROM tenants;
        INSERT INTO schemas SELECT tenant_id, 1, 's', '1-0-0', 'x: "''\\', sha256('x') FROM tenants;
        INSERT INTO schema_slots SELECT tenant_id, 'f', 'string', 1 FROM tenants;
        INSERT INTO api_keys (key_id, tenant_id, kind, digest, scopes)
            SELECT lpad(tenant_id::text, 10, 'k'), tenant_id, 'qry', sha256(slug::bytea), '{query}' FROM tenants;
        SELECT ensure_month(tenant_id, (now() - make_interval(months => m))::date) FROM tenants, generate_series(2, 6) m WHERE slug = 'acme';
        INSERT INTO events (tenant_id, occurred_at, id, received_at, source_id, version_no, type, actor, k1, fields, extra)
            SELECT s.tenant_id, date_trunc('month', now()) - make_interval(months => n % 7) + make_interval(secs => n), gen_random_uuid(),
                   date_trunc('month', now()) - make_interval(months => n % 7) + make_interval(secs => n), s.source_id, 1, 't', 'user ' || n,
                   CASE WHEN n % 2 = 0 THEN 'k' || n END, jsonb_build_object('n', n, 's', E'a\\tb\\nc\\\\d "e" ü\u{200F}'), '{}'
            FROM generate_series(1, 700) n, sources s;
        SET ROLE sluice_owner;
        SELECT keep_refused(ARRAY[t.tenant_id], ARRAY[gen_random_uuid()], ARRAY[now()], ARRAY[s.source_id], ARRAY[1], ARRAY['r'], ARRAY['/p'],
                            ARRAY['d'], ARRAY['\\x0001ff'::bytea]) FROM tenants t JOIN sources s USING (tenant_id);
        INSERT INTO remembered_ids SELECT tenant_id, 1, sha256('k'), sha256('c'), now(), gen_random_uuid(), now() FROM tenants;
        INSERT INTO audit_log (tenant_id, actor, action, target) SELECT tenant_id, 'test', 'tenant.create', slug FROM tenants;
        """
}
