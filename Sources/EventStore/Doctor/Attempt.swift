/// A table as the trial sees it.
struct TrialTable: Sendable {
    /// With its schema, quoted where it must be.
    let name: String
    let isPartition: Bool
    let firstColumn: String
    let holdsTenants: Bool
    /// What the manifest grants on it, as it spells it.
    let grants: Set<String>
}

/// One thing that a role tries, and what must come of it.
struct Attempt: Sendable, Equatable {
    enum Expectation: Sendable, Equatable {
        /// SQLSTATE 42501.
        case refused
        case noRows
        /// That it sees its own: else the others would prove nothing.
        case aRow
    }

    let role: String
    /// In `app.tenant`; nil: none is set.
    let tenant: Int32?
    let what: String
    let sql: String
    let expectation: Expectation

    /// Everything that a role is to try on a table. Rights that the manifest grants are tried only where a policy narrows them to one
    /// tenant: those of readers. (The writer commits batches of many tenants, by design.)
    static func all(on table: TrialTable, as role: String, _ tenants: TrialTenants) -> [Attempt] {
        let operations = [
            ("SELECT", "SELECT * FROM \(table.name) WHERE false"),
            ("INSERT", "INSERT INTO \(table.name) DEFAULT VALUES"),
            ("UPDATE", "UPDATE \(table.name) SET \(table.firstColumn) = DEFAULT WHERE false"),
            ("DELETE", "DELETE FROM \(table.name) WHERE false"),
        ]
        return operations.flatMap { operation, sql -> [Attempt] in
            guard table.grants.contains("\(operation) TO \(role)") else {
                let what = "\(operation) on \(table.name)"
                return [Attempt(role: role, tenant: tenants.own, what: what, sql: sql, expectation: .refused)]
            }
            return operation == "SELECT" && role == TrialTenants.reader ? reads(of: table, tenants) : []
        }
    }

    private static func reads(of table: TrialTable, _ tenants: TrialTenants) -> [Attempt] {
        func read(_ condition: String, tenant: Int32?, _ what: String, _ expectation: Expectation) -> Attempt {
            let sql = "SELECT FROM \(table.name) WHERE \(condition) LIMIT 1"
            return Attempt(role: TrialTenants.reader, tenant: tenant, what: "\(what) in \(table.name)", sql: sql, expectation: expectation)
        }
        let nobody = read("true", tenant: nil, "any row without a tenant", .noRows)
        guard table.holdsTenants else { return [nobody] }
        let others = [
            read("tenant_id <> \(tenants.own)", tenant: tenants.own, "another tenant's row", .noRows),
            read("tenant_id = \(tenants.other)", tenant: tenants.own, "a row of the tenant beside it", .noRows),
            nobody,
        ]
        guard TrialTenants.tables.contains(table.name) else { return others }
        return others + [read("tenant_id = \(tenants.own)", tenant: tenants.own, "its own row", .aRow)]
    }

    /// Nil when all is well.
    func complaint(about outcome: String) -> String? {
        switch (expectation, outcome) {
        case (.refused, "42501"), (.noRows, "rows 0"), (.noRows, "42501"), (.aRow, "rows 1"): nil
        case (.refused, _): "was not refused: \(what) (\(outcome))"
        case (.noRows, "rows 1"): "saw \(what)"
        case (.noRows, _): "could not be tried: \(what) (SQLSTATE \(outcome))"
        case (.aRow, _): "does not see \(what) (\(outcome))"
        }
    }
}

/// Two tenants that exist for the length of one transaction. Their numbers are negative, so no number of a real one is used up.
struct TrialTenants: Sendable {
    static let reader = "sluice_reader"
    /// Those that ``script`` puts a row of each tenant into.
    static let tables: Set<String> = [
        "sluice.tenants", "sluice.sources", "sluice.schemas", "sluice.schema_slots", "sluice.events", "sluice.quarantine",
        "sluice.remembered_ids",
    ]

    let own = Int32.random(in: -2_000_000_000 ... -1_000_000_001)
    let other = Int32.random(in: -1_000_000_000 ... -1)

    var script: String { [own, other].map(Self.rows).joined(separator: "\n") }

    private static func rows(of tenant: Int32) -> String {
        """
        INSERT INTO sluice.tenants (tenant_id, slug, name, retention_days) OVERRIDING SYSTEM VALUE
        VALUES (\(tenant), 'doctor\(tenant)', 'sluice doctor', 1);
        INSERT INTO sluice.sources (tenant_id, source_id, slug, profile) OVERRIDING SYSTEM VALUE
        VALUES (\(tenant), \(tenant), 'doctor', 'generic');
        INSERT INTO sluice.schemas (tenant_id, version_no, name, version, document, checksum)
        VALUES (\(tenant), 1, 'doctor', '1-0-0', '', sha256(''));
        INSERT INTO sluice.schema_slots (tenant_id, field, type, slot) VALUES (\(tenant), 'doctor', 'string', 1);
        INSERT INTO sluice.events (tenant_id, occurred_at, id, received_at, source_id, version_no, fields, extra)
        VALUES (\(tenant), now(), gen_random_uuid(), now(), \(tenant), 0, '{}', '{}');
        INSERT INTO sluice.quarantine (tenant_id, received_at, id, source_id, reason, body, last_received_at)
        VALUES (\(tenant), now(), gen_random_uuid(), \(tenant), 'doctor', '', now());
        INSERT INTO sluice.remembered_ids (tenant_id, source_id, key_digest, content_digest, occurred_at, id)
        VALUES (\(tenant), \(tenant), sha256(''), sha256(''), now(), gen_random_uuid());
        """
    }
}
