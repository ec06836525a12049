import TestSupport
import Testing

/// What the design promises of tables, roles and policies, read from the catalog of a migrated database.
@Suite(.fewAtOnce) struct CatalogTests {
    private static let tenantTables = [
        "api_keys", "audit_log", "client_authorities", "events", "issuers", "key_senders", "quarantine", "quarantine_usage",
        "remembered_ids", "schema_slots", "schemas", "slot_fills", "source_activity", "sources", "sql_access", "stored_events",
        "tenants",
    ]

    private func lines(_ sql: String, after change: String = "") async throws -> [String] {
        let database = try await MigratedDatabase.make()
        if !change.isEmpty { try await database.psql(change) }
        return try await database.psql(sql).split(separator: "\n").map(String.init)
    }

    @Test func forcesRowLevelSecurityOnEveryTableWithTenantsRowsAndEveryPartition() async throws {
        let open = try await lines(
            """
            SELECT c.relname FROM pg_class c
            WHERE c.relnamespace = 'sluice'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'migrations'
              AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
            """,
            after: Self.unplannedMonth
        )
        #expect(open.isEmpty)
    }

    @Test func samplesNoDocumentAndLittleOfTheRestOfEveryMonth() async throws {
        let targets = try await lines(
            """
            SELECT DISTINCT a.atttypid::regtype, a.attstattarget FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
            WHERE c.relnamespace = 'sluice'::regnamespace AND c.relname ~ '^(events|quarantine)(_[0-9]{4}_[0-9]{2})?$' AND a.attnum > 0 ORDER BY 1, 2
            """,
            after: Self.unplannedMonth
        )
        #expect(targets == ["bytea|0", "integer|25", "text|25", "timestamp with time zone|25", "uuid|25", "jsonb|0"])
    }

    @Test func hasTheTablesOfTheDesignOwnedByTheOwner() async throws {
        let tables = try await lines(
            """
            SELECT relname FROM pg_class WHERE relnamespace = 'sluice'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
              AND relowner = 'sluice_owner'::regrole ORDER BY 1
            """
        )
        #expect(Set(Self.tenantTables).isSubset(of: tables), "\(tables)")
        let others = try await lines(
            "SELECT relname FROM pg_class WHERE relnamespace = 'sluice'::regnamespace AND relowner <> 'sluice_owner'::regrole"
        )
        #expect(others.isEmpty)
    }

    @Test func letsTheOwnerSeeEverythingUnderForcedSecurity() async throws {
        let withPolicy = try await lines(
            "SELECT tablename FROM pg_policies WHERE schemaname = 'sluice' AND policyname = 'owner_all' AND qual = 'true' ORDER BY 1"
        )
        #expect(Set(Self.tenantTables).isSubset(of: withPolicy))
    }

    @Test func showsReadersOneTenantOnly() async throws {
        let policies = try await lines(
            """
            SELECT tablename, cmd, qual FROM pg_policies
            WHERE schemaname = 'sluice' AND 'sluice_reader' = ANY (roles) AND permissive = 'PERMISSIVE' ORDER BY 1
            """
        )
        let expected = "(tenant_id = (NULLIF(current_setting('app.tenant'::text, true), ''::text))::integer)"
        #expect(
            policies
                == ["events", "quarantine", "schema_slots", "schemas", "slot_fills", "sources", "tenants"].map {
                    "\($0)|SELECT|\(expected)"
                }
        )
    }

    @Test func grantsNothingOnAnyPartition() async throws {
        let grants = try await lines(
            """
            SELECT c.relname, r.rolname FROM pg_class c, pg_roles r
            WHERE c.relnamespace = 'sluice'::regnamespace AND c.relispartition AND c.relkind = 'r'
              AND r.rolname IN ('sluice_api', 'sluice_writer', 'sluice_reader', 'sluice_analyst')
              AND has_table_privilege(r.rolname, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
            """,
            after: Self.unplannedMonth
        )
        #expect(grants.isEmpty)
    }

    @Test func letsTheWriterSeeThreeColumnsOfEvents() async throws {
        let columns = try await lines(
            """
            SELECT attname FROM pg_attribute WHERE attrelid = 'sluice.events'::regclass AND attnum > 0
              AND has_column_privilege('sluice_writer', attrelid, attnum, 'SELECT') ORDER BY 1
            """
        )
        #expect(columns == ["id", "occurred_at", "tenant_id"])
        let changes = try await lines(
            "SELECT has_table_privilege('sluice_writer', 'sluice.events', 'UPDATE') OR has_table_privilege('sluice_writer', 'sluice.events', 'DELETE')"
        )
        #expect(changes == ["f"])
    }

    @Test func letsTheWriterFillQuarantineButNotSeeIt() async throws {
        let columns = try await lines(
            """
            SELECT attname FROM pg_attribute WHERE attrelid IN ('sluice.quarantine'::regclass, 'sluice.quarantine_usage'::regclass)
              AND attnum > 0 AND has_column_privilege('sluice_writer', attrelid, attnum, 'SELECT, UPDATE')
            """
        )
        #expect(columns.isEmpty)
        let functions = try await lines(
            """
            SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'sluice'::regnamespace
              AND has_function_privilege('sluice_writer', p.oid, 'EXECUTE')
              AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0) ORDER BY 1
            """
        )
        #expect(functions == ["explain_refused", "keep_refused", "keep_refused", "keep_refused", "release_refused"])
    }

    /// What a view calls is executed by who asks the view. None of these looks at a table.
    @Test func letsEverybodyReadOldValuesAsNewTypesAndNothingElse() async throws {
        let functions = try await lines(
            """
            SELECT p.proname, p.prosecdef FROM pg_proc p, aclexplode(p.proacl) a
            WHERE p.pronamespace = 'sluice'::regnamespace AND a.grantee = 0 ORDER BY 1
            """
        )
        #expect(functions == ["integer_of", "ip_of", "number_of", "texts_of", "time_of", "uuid_of"].map { "\($0)|f" })
    }

    @Test func looksARepeatedBodyUpByAnIndexOnEveryPartition() async throws {
        let partitions = try await lines(
            """
            SELECT count(*) FILTER (WHERE pg_get_indexdef(i.indexrelid) LIKE '%(tenant_id, digest)')
            FROM pg_inherits h JOIN pg_index i ON i.indrelid = h.inhrelid
            WHERE h.inhparent = 'sluice.quarantine'::regclass GROUP BY h.inhrelid
            """
        )
        #expect(partitions == ["1", "1", "1", "1"])
    }

    @Test func givesTheLoginNothingOfItsOwn() async throws {
        let role = try await lines(
            "SELECT rolcanlogin, rolinherit, rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = 'sluice_api'"
        )
        #expect(role == ["t|f|f|f|f"])
        let tables = try await lines(
            """
            SELECT c.relname FROM pg_class c, aclexplode(c.relacl) a
            WHERE c.relnamespace = 'sluice'::regnamespace AND a.grantee IN ('sluice_api'::regrole, 0)
            """
        )
        #expect(tables.isEmpty)
        let functions = try await lines(
            """
            SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'sluice'::regnamespace
              AND has_function_privilege('sluice_api', p.oid, 'EXECUTE')
              AND NOT EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0) ORDER BY 1
            """
        )
        #expect(
            functions == [
                "add_stored_events", "check_isolation", "check_sql_access", "client_authorities", "current_access_epoch",
                "cursor_secret", "ensure_month", "ensure_planned_months", "find_issuer", "find_key", "find_source", "has_events",
                "has_sql_access", "issuer_names", "legacy_keys", "maintenance_state", "note_activity", "note_key_senders",
                "note_key_use", "operations_figures", "publish_schema", "put_sql_view", "readiness", "record_act", "sweep_quarantine",
                "sweep_remembered_ids",
            ]
        )
    }

    @Test func pinsTheSearchPathOfEveryFunctionThatRunsAsTheOwner() async throws {
        let open = try await lines(
            """
            SELECT proname FROM pg_proc WHERE pronamespace = 'sluice'::regnamespace AND prosecdef
              AND NOT coalesce(proconfig::text LIKE '%search_path=pg_catalog, pg_temp%', false)
            """
        )
        #expect(open.isEmpty)
    }

    @Test func holdsTheTenantInEveryUniqueKeyOfItsRows() async throws {
        let without = try await lines(
            """
            SELECT i.indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
            WHERE c.relnamespace = 'sluice'::regnamespace AND i.indisunique AND NOT c.relispartition
              AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
              AND NOT EXISTS (SELECT FROM unnest(i.indkey) k JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k
                              WHERE a.attname = 'tenant_id')
            ORDER BY i.indexrelid::regclass::text
            """
        )
        // What says whose a thing is must be one tenant's alone: keys, authorities, issuers, logins, and tenants' own names.
        let known = [
            "api_keys_legacy", "api_keys_pkey", "client_authorities_key_digest_key", "issuers_iss_aud_key", "sql_access_login_key",
            "sql_access_schema_name_key", "tenants_slug_key",
        ]
        #expect(without == known)
    }

    @Test func makesUTCMonthsFromLastMonthToTwoAhead() async throws {
        for parent in ["events", "quarantine"] {
            let bounds = try await lines(
                """
                SET timezone = 'UTC';
                SELECT pg_get_expr(c.relpartbound, c.oid) = format('FOR VALUES FROM (%L) TO (%L)',
                           to_char(date_trunc('month', now()) + make_interval(months => m), 'YYYY-MM-DD') || ' 00:00:00+00',
                           to_char(date_trunc('month', now()) + make_interval(months => m + 1), 'YYYY-MM-DD') || ' 00:00:00+00')
                FROM generate_series(-1, 2) m
                LEFT JOIN pg_class c ON c.relname = format('\(parent)_%s', to_char(date_trunc('month', now()) + make_interval(months => m), 'YYYY_MM'))
                """
            )
            #expect(bounds == ["t", "t", "t", "t"], "\(parent)")
        }
    }

    @Test func keepsTheDesignsKeysAndSlotIndexesOnEveryPartition() async throws {
        let partitions = try await lines(
            """
            SELECT count(*) FILTER (WHERE i.indisprimary), count(*) FILTER (WHERE pg_get_indexdef(i.indexrelid) ~ 'k[1-8] IS NOT NULL')
            FROM pg_inherits h JOIN pg_index i ON i.indrelid = h.inhrelid
            WHERE h.inhparent = 'sluice.events'::regclass GROUP BY h.inhrelid
            """,
            after: Self.unplannedMonth
        )
        #expect(partitions.count == 5)
        #expect(Set(partitions) == ["1|8"])
    }

    @Test func believesTheCatalogAboutMonthsAndKeepsWhatWasDetached() async throws {
        let database = try await MigratedDatabase.make()
        let month = try await database.psql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')")
        try await database.psql("ALTER TABLE sluice.events DETACH PARTITION sluice.events_\(month)")
        #expect(try await database.psql("SELECT months_ready FROM sluice.readiness()") == "f")
        #expect(try await database.psql("SELECT sluice.ensure_planned_months()") == "1")
        #expect(try await database.psql("SELECT months_ready FROM sluice.readiness()") == "t")
        let kept = try await database.psql(
            "SELECT count(*) FROM pg_class WHERE relname LIKE 'events_\(month)_detached_%' AND relkind = 'r'"
        )
        #expect(kept == "1")
    }

    /// A month long past, made as the first event of it would make it.
    private static let unplannedMonth = """
        INSERT INTO sluice.tenants (slug, name, retention_days) VALUES ('t', 'T', 3650);
        SELECT sluice.ensure_month((SELECT tenant_id FROM sluice.tenants), (now() - interval '1 year')::date);
        """
}
