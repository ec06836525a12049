package import EventCore
package import Postgres

/// A table that holds rows of tenants, and its columns.
package struct TenantTable: Sendable, Equatable {
    package let name: String
    package let columns: [String]
    let identity: String?

    package init(name: String, columns: [String], identity: String? = nil) {
        self.name = name
        self.columns = columns
        self.identity = identity
    }
}

/// One tenant's rows, out of a database and into another.
package struct TenantCopy: Sendable {
    private let connection: Connection

    /// - Parameter connection: direct, of a superuser (or a role with BYPASSRLS).
    package init(_ connection: Connection) {
        self.connection = connection
    }

    /// Parents before those that refer to them.
    package func tables() async throws -> [TenantTable] {
        try await connection.execute(TenantTables(), deadline: .now + .seconds(60))
    }

    /// In the transaction that ``BackupSource/begin()`` began: a table's rows of one tenant, in COPY's text format.
    package func rows(
        of tenant: TenantID,
        in table: TenantTable,
        deliver: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let columns = table.columns.map(quotedIdentifier).joined(separator: ", ")
        try await connection.copyOut(
            "COPY (SELECT \(columns) FROM sluice.\(quotedIdentifier(table.name)) WHERE tenant_id = \(tenant.rawValue)) TO STDOUT",
            deadline: .seconds(600),
            deliver: deliver
        )
    }

    /// A script for psql that puts one tenant's files, called `<table>.copy` in its folder, beside the tenants that are there. A number that any row
    /// still carries, if only a line in the audit log, is replaced by a new one.
    ///
    /// Months are made in a transaction of their own, since no other can be made until it ends. All rows come in one: the many first, that refer to
    /// nothing, and then those by whose change every replica's memory is told, whose lock nobody else who changes something gets past.
    package static func script(_ tables: [TenantTable], now: [TenantTable]) -> String {
        var lines = ["SET client_min_messages = warning;", "SET timezone = 'UTC';", "SET ROLE sluice_owner;"]
        for table in tables {
            let columns = table.columns.map(quotedIdentifier).joined(separator: ", ")
            lines.append("CREATE TEMP TABLE \(restored(table)) (LIKE sluice.\(quotedIdentifier(table.name)) INCLUDING DEFAULTS);")
            lines.append("\\copy pg_temp.\(restored(table)) (\(columns)) FROM '\(table.name).copy'")
        }
        let isTaken = ["tenants", "audit_log", "events", "quarantine", "remembered_ids"].map {
            "EXISTS (SELECT FROM sluice.\($0) t WHERE t.tenant_id = r.tenant_id)"
        }.joined(separator: " OR ")
        lines.append(
            """
            CREATE TEMP TABLE renumbered AS
                SELECT CASE WHEN \(isTaken)
                            THEN nextval(pg_get_serial_sequence('sluice.tenants', 'tenant_id'))::int ELSE r.tenant_id END AS number
                FROM pg_temp.restored_tenants r;
            UPDATE pg_temp.restored_tenants SET deleting_at = NULL;
            """
        )
        for table in tables {
            lines.append(
                "UPDATE pg_temp.\(restored(table)) SET tenant_id = (SELECT number FROM renumbered) "
                    + "WHERE tenant_id <> (SELECT number FROM renumbered);"
            )
        }
        lines.append(Self.months)
        lines.append("BEGIN;")
        let many = ["events", "quarantine", "remembered_ids"]
        for table in tables.filter({ many.contains($0.name) }) + tables.filter({ !many.contains($0.name) }) {
            let columns = table.columns.map(quotedIdentifier).joined(separator: ", ")
            lines.append(
                "INSERT INTO sluice.\(quotedIdentifier(table.name)) (\(columns)) OVERRIDING SYSTEM VALUE SELECT \(columns) FROM pg_temp.\(restored(table));"
            )
        }
        // The next number that is given must be none of those that came, nor one that rows still have of what was deleted.
        for table in now {
            guard let column = table.identity else { continue }
            let name = "sluice.\(quotedIdentifier(table.name))"
            let identifier = quotedIdentifier(column)
            let named = tables.filter { $0.columns.contains(column) }.map { "(SELECT max(\(identifier)) FROM pg_temp.\(restored($0)))" }
            let taken = ["(SELECT max(\(identifier)) FROM \(name))"] + named
            lines.append(
                "SELECT setval(pg_get_serial_sequence('\(name)', '\(column)'), greatest(\(taken.joined(separator: ", ")), "
                    + "nextval(pg_get_serial_sequence('\(name)', '\(column)'))));"
            )
        }
        lines.append(Self.altered)
        lines.append("COMMIT;")
        return lines.joined(separator: "\n") + "\n"
    }

    private static func restored(_ table: TenantTable) -> String { quotedIdentifier("restored_\(table.name)") }

    private static let months = """
        BEGIN;
        SELECT pg_advisory_xact_lock(hashtext('sluice.months'));
        SELECT sluice.make_partition('events', w.month) FROM
            (SELECT DISTINCT date_trunc('month', occurred_at AT TIME ZONE 'UTC')::date AS month FROM pg_temp.restored_events) w;
        INSERT INTO sluice.months (month)
            SELECT DISTINCT date_trunc('month', occurred_at AT TIME ZONE 'UTC')::date FROM pg_temp.restored_events ON CONFLICT DO NOTHING;
        SELECT sluice.make_partition('quarantine', w.month) FROM
            (SELECT DISTINCT date_trunc('month', received_at AT TIME ZONE 'UTC')::date AS month FROM pg_temp.restored_quarantine) w;
        DO $$ BEGIN
            IF (SELECT count(*) FROM sluice.months) > 120 THEN
                RAISE EXCEPTION 'there would be more than 120 months';
            END IF;
        END $$;
        COMMIT;
        """

    private static let altered = """
        UPDATE sluice.months SET altered_at = clock_timestamp()
            WHERE month IN (SELECT DISTINCT date_trunc('month', occurred_at AT TIME ZONE 'UTC')::date FROM pg_temp.restored_events);
        """

    /// A tenant's rows by table, now.
    package func counts(of tenant: TenantID) async throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for table in try await tables() {
            let query = CountTenant(table: table.name, tenant: tenant)
            counts[table.name] = try await connection.execute(query, deadline: .now + .seconds(3_600)).first ?? 0
        }
        return counts
    }
}

struct TenantTables: Statement {
    static let name = "tenant_tables"
    static let sql = """
        SELECT t.name, array_agg(a.attname::text ORDER BY a.attnum), max(a.attname::text) FILTER (WHERE a.attidentity <> '')
        FROM sluice.tenant_tables() t JOIN pg_attribute a ON a.attrelid = format('sluice.%I', t.name)::regclass
        WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        GROUP BY t.name, t.depth ORDER BY t.depth, t.name
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> TenantTable {
        TenantTable(name: try row.decode(0), columns: try row.decodeArray(1), identity: try row.decodeIfPresent(2))
    }
}

struct CountTenant: QueryStatement {
    let table: String
    let tenant: TenantID

    var query: Query {
        var bindings = Bindings()
        bindings.append(tenant.rawValue)
        return Query("SELECT count(*) FROM sluice.\(quotedIdentifier(table)) WHERE tenant_id = $1", bindings: bindings)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Int { Int(clamping: try row.decode(0, as: Int64.self)) }
}
