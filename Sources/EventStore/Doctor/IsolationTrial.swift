import Postgres

/// Tries, as each of the application's roles, what none of them may do: to see or change another tenant's rows, to use a table it was
/// not given, to reach a partition by its own name. Two tenants and their rows are made for it in a transaction that is rolled back.
///
/// What a role may do is what `sluice.manifest` grants it, so tables of later migrations are tried too. One round trip for all attempts;
/// the refusals are caught in the server and leave no line in its log.
struct IsolationTrial: DoctorCheck {
    let name = "isolation"

    /// A role with more trouble than this is described by its first lines.
    private static let mostLines = 20

    func run(on connection: Connection, deadline: ContinuousClock.Instant) async throws -> [CheckResult] {
        do {
            return try await connection.transaction(.readWrite, deadline: deadline) { connection in
                throw RolledBack(results: try Self.run(on: connection, deadline: deadline))
            }
        } catch let ended as RolledBack {
            return ended.results
        }
    }

    /// How the transaction ends, always.
    private struct RolledBack: Error {
        let results: [CheckResult]
    }

    private static func run(on connection: isolated Connection, deadline: ContinuousClock.Instant) throws -> [CheckResult] {
        _ = try connection.execute(Query("SET LOCAL lock_timeout = '2s'"), deadline: deadline)
        _ = try connection.execute(Role.owner.query, deadline: deadline)
        let tables = try connection.execute(GuardedTables(), deadline: deadline)
        let roles = try connection.execute(ApplicationRoles(), deadline: deadline)
        for role in roles {
            // That the role cannot be taken must not look like a refusal.
            _ = try connection.execute(TakeRole(role: role), deadline: deadline)
        }
        _ = try connection.execute(Query("RESET ROLE"), deadline: deadline)
        _ = try connection.execute(Role.owner.query, deadline: deadline)
        let tenants = TrialTenants()
        try connection.executeScript(tenants.script, deadline: deadline)

        let attempts = roles.flatMap { role in tables.flatMap { Attempt.all(on: $0, as: role, tenants) } }
        _ = try connection.execute(PassAttempts(attempts: attempts), deadline: deadline)
        try connection.executeScript(makeAttempts, deadline: deadline)
        let outcomes = try connection.execute(AttemptOutcomes(), deadline: deadline).first ?? []
        guard outcomes.count == attempts.count else {
            throw StoreError(.notReady, "of \(attempts.count) attempts \(outcomes.count) were answered")
        }
        return judge(attempts, outcomes, roles: roles)
    }

    static func judge(_ attempts: [Attempt], _ outcomes: [String], roles: [String]) -> [CheckResult] {
        let all = zip(attempts, outcomes)
        return roles.flatMap { role -> [CheckResult] in
            let own = all.filter { $0.0.role == role }
            let wrong = own.compactMap { attempt, outcome in attempt.complaint(about: outcome) }
            guard !wrong.isEmpty else {
                return [CheckResult("isolation", .ok, "\(role): \(own.count) attempts, none reached what is not its own")]
            }
            let advice = "look at what the manifest check says; stop the API until it is mended"
            return wrong.prefix(mostLines).map { CheckResult("isolation", .fail, "\(role) \($0)", advice: advice) }
                + (wrong.count > mostLines
                    ? [CheckResult("isolation", .fail, "\(role): \(wrong.count - mostLines) attempts more", advice: advice)] : [])
        }
    }

    /// Each attempt is a subtransaction that ends in an error, its own or ours: `rows N` or a SQLSTATE.
    private static let makeAttempts = """
        DO $$
        DECLARE
            attempt jsonb;
            outcomes text[] := '{}';
            affected bigint;
        BEGIN
            FOR attempt IN SELECT value FROM jsonb_array_elements(current_setting('sluice.attempts')::jsonb) LOOP
                BEGIN
                    PERFORM set_config('app.tenant', attempt ->> 'tenant', true), set_config('role', attempt ->> 'role', true);
                    EXECUTE attempt ->> 'sql';
                    GET DIAGNOSTICS affected = ROW_COUNT;
                    RAISE EXCEPTION USING ERRCODE = 'SLUIC', MESSAGE = format('rows %s', affected);
                EXCEPTION
                    WHEN SQLSTATE 'SLUIC' THEN outcomes := outcomes || SQLERRM;
                    WHEN OTHERS THEN outcomes := outcomes || SQLSTATE::text;
                END;
            END LOOP;
            PERFORM set_config('sluice.outcomes', array_to_string(outcomes, ','), true);
        END
        $$
        """
}

/// The tables of the schema that are to be kept apart, and every partition.
struct GuardedTables: Statement {
    static let name = "guarded_tables"
    static let sql = """
        SELECT format('sluice.%I', c.relname), c.relispartition,
               (SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                ORDER BY a.attnum LIMIT 1),
               EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped),
               ARRAY(SELECT m.expected FROM sluice.manifest m WHERE m.kind = 'grant' AND m.object = c.relname)
        FROM pg_class c
        WHERE c.relnamespace = 'sluice'::regnamespace AND c.relkind IN ('r', 'p')
          AND (c.relispartition
               OR EXISTS (SELECT FROM sluice.manifest m WHERE m.kind = 'table' AND m.expected = 'guarded' AND m.object = c.relname))
        ORDER BY c.relispartition, c.relname
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> TrialTable {
        TrialTable(
            name: try row.decode(0),
            isPartition: try row.decode(1),
            firstColumn: try row.decode(2),
            holdsTenants: try row.decode(3),
            grants: Set(try row.decodeArray(4, of: String.self))
        )
    }
}

struct ApplicationRoles: Statement {
    static let name = "application_roles"
    static let sql = "SELECT object FROM sluice.manifest WHERE kind = 'role' ORDER BY object"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> String { try row.decode(0) }
}

struct TakeRole: Statement {
    static let name = "take_role"
    static let sql = "SELECT set_config('role', $1, true)"

    let role: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(role)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

struct PassAttempts: Statement {
    static let name = "pass_attempts"
    static let sql = """
        SELECT set_config('sluice.attempts', coalesce(jsonb_agg(jsonb_build_object('role', a.role, 'tenant', a.tenant, 'sql', a.sql)
                                                                ORDER BY a.place)::text, '[]'), true)
        FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS a (role, tenant, sql, place)
        """

    let attempts: [Attempt]

    func bind(_ bindings: inout Bindings) {
        bindings.append(attempts.map(\.role))
        bindings.append(attempts.map { $0.tenant.map(String.init) ?? "" })
        bindings.append(attempts.map(\.sql))
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

struct AttemptOutcomes: Statement {
    static let name = "attempt_outcomes"
    static let sql = "SELECT string_to_array(nullif(current_setting('sluice.outcomes'), ''), ',')"

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> [String] { try row.decodeArray(0, of: String.self) }
}
