-- What keeps tenants apart, written down where it can be compared with what is there; and an audit log that only grows.
-- Additive: a binary that knows only the migrations before runs beside it.

-- Who migrates may take the application's roles too: `sluice doctor` tries what each of them can do. A superuser may anyhow.
DO $$
DECLARE
    role_name text;
    manner text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    FOREACH role_name IN ARRAY ARRAY['sluice_api', 'sluice_writer', 'sluice_reader'] LOOP
        BEGIN
            EXECUTE format('GRANT %I TO %I', role_name, current_user) || manner;
        EXCEPTION WHEN insufficient_privilege OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;

SET LOCAL ROLE sluice_owner;

-- ── The manifest ────────────────────────────────────────────────────────────────────────────────────────────────
-- Every migration that makes a table, a policy, a grant or a role writes its rows here, and takes away those it makes untrue: so an
-- older binary compares with what the newest migration wants. Partitions have no rows: what holds for them follows from their being
-- partitions (row-level security forced, no grant at all).
--
--   kind     object               expected
--   role     its name             application
--   member   the role             the role that it may take
--   table    its name             guarded: the owner's, row-level security enabled and forced · plain: the owner's, no tenant's rows
--   policy   its table            the whole policy, as check_isolation() spells it
--   grant    table, function(types), schema sluice     SELECT TO role · SELECT (column) TO role · EXECUTE TO role · USAGE TO role
--   trigger  its table            its name
CREATE TABLE sluice.manifest (
    object   text NOT NULL,
    kind     text NOT NULL CHECK (kind IN ('role', 'member', 'table', 'policy', 'grant', 'trigger')),
    expected text NOT NULL,
    PRIMARY KEY (object, kind, expected)
);
COMMENT ON TABLE sluice.manifest IS 'what keeps tenants apart, as the migrations made it: sluice.check_isolation() compares';
ALTER TABLE sluice.manifest ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON sluice.manifest TO sluice_owner USING (true) WITH CHECK (true);

INSERT INTO sluice.manifest (object, kind, expected) VALUES
    ('sluice_api', 'role', 'application'), ('sluice_writer', 'role', 'application'), ('sluice_reader', 'role', 'application'),
    ('sluice_api', 'member', 'sluice_writer'), ('sluice_api', 'member', 'sluice_reader'),
    ('schema sluice', 'grant', 'USAGE TO sluice_api'), ('schema sluice', 'grant', 'USAGE TO sluice_writer'),
    ('schema sluice', 'grant', 'USAGE TO sluice_reader'),
    ('migrations', 'table', 'plain');

INSERT INTO sluice.manifest (object, kind, expected)
SELECT name, kind, expected
FROM unnest(ARRAY['tenants', 'sources', 'schemas', 'schema_slots', 'api_keys', 'issuers', 'audit_log', 'settings', 'events', 'quarantine',
                  'quarantine_usage', 'remembered_ids', 'months', 'manifest']) name,
     (VALUES ('table', 'guarded'), ('policy', 'owner_all FOR ALL TO sluice_owner USING (true) WITH CHECK (true)')) row (kind, expected)
UNION ALL
SELECT name, kind, expected
FROM unnest(ARRAY['tenants', 'sources', 'schemas', 'schema_slots', 'events', 'quarantine']) name,
     (VALUES ('grant', 'SELECT TO sluice_reader'),
             ('policy', 'reader_own_tenant FOR SELECT TO sluice_reader '
                        'USING ((tenant_id = (NULLIF(current_setting(''app.tenant''::text, true), ''''::text))::integer))')) row (kind, expected)
UNION ALL
SELECT name, kind, expected
FROM unnest(ARRAY['events', 'quarantine', 'remembered_ids']) name,
     (VALUES ('grant', 'INSERT TO sluice_writer'), ('policy', 'writer_insert FOR INSERT TO sluice_writer WITH CHECK (true)')) row (kind, expected);

INSERT INTO sluice.manifest (object, kind, expected) VALUES
    ('events', 'policy', 'writer_returning FOR SELECT TO sluice_writer USING (true)'),
    ('events', 'grant', 'SELECT (tenant_id) TO sluice_writer'), ('events', 'grant', 'SELECT (occurred_at) TO sluice_writer'),
    ('events', 'grant', 'SELECT (id) TO sluice_writer'),
    ('remembered_ids', 'policy', 'writer_remembers FOR SELECT TO sluice_writer USING (true)'),
    ('remembered_ids', 'grant', 'SELECT TO sluice_writer'),
    ('find_key(text)', 'grant', 'EXECUTE TO sluice_api'),
    ('cursor_secret()', 'grant', 'EXECUTE TO sluice_api'),
    ('readiness()', 'grant', 'EXECUTE TO sluice_api'),
    ('ensure_planned_months()', 'grant', 'EXECUTE TO sluice_api'),
    ('ensure_month(integer, date)', 'grant', 'EXECUTE TO sluice_api'),
    ('sweep_quarantine(integer)', 'grant', 'EXECUTE TO sluice_api'),
    ('sweep_remembered_ids(integer)', 'grant', 'EXECUTE TO sluice_api'),
    ('check_isolation()', 'grant', 'EXECUTE TO sluice_api'),
    ('find_issuer(text)', 'grant', 'EXECUTE TO sluice_api'),
    ('issuer_names()', 'grant', 'EXECUTE TO sluice_api'),
    ('keep_refused(integer[], uuid[], timestamp with time zone[], integer[], integer[], text[], text[], text[], bytea[])', 'grant',
     'EXECUTE TO sluice_writer'),
    ('audit_log', 'trigger', 'append_only'), ('audit_log', 'trigger', 'append_only_truncate');
INSERT INTO sluice.manifest (object, kind, expected)
SELECT name, kind, expected
FROM unnest(ARRAY['access_epoch', 'key_senders', 'stored_events']) name,
     (VALUES ('table', 'guarded'), ('policy', 'owner_all FOR ALL TO sluice_owner USING (true) WITH CHECK (true)')) row (kind, expected);
INSERT INTO sluice.manifest (object, kind, expected) VALUES
    ('current_access_epoch()', 'grant', 'EXECUTE TO sluice_api'), ('legacy_keys()', 'grant', 'EXECUTE TO sluice_api'),
    ('note_key_use(text[], timestamp with time zone[])', 'grant', 'EXECUTE TO sluice_api'),
    ('note_key_senders(text[], text[], bigint[], timestamp with time zone[])', 'grant', 'EXECUTE TO sluice_api'),
    ('add_stored_events(integer[], date[], bigint[])', 'grant', 'EXECUTE TO sluice_api');

-- Where this database differs from its manifest. Severity:
--   unsafe   a protection of the tenants is gone: /readyz says 503
--   missing  something of ours is gone that no tenant's safety hangs on
--   extra    somebody was given more than the migrations gave; it may be meant
-- Catalogs only, no tenant's rows: a few milliseconds.
CREATE FUNCTION sluice.check_isolation() RETURNS TABLE (severity text, object text, finding text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH application AS (
        SELECT m.object AS name, r.oid, r.rolsuper, r.rolbypassrls
        FROM sluice.manifest m LEFT JOIN pg_roles r ON r.rolname = m.object WHERE m.kind = 'role'
    ), relations AS (
        SELECT c.oid, c.relname::text AS name, c.relkind, c.relispartition, c.relowner, c.relacl,
               c.relrowsecurity AND c.relforcerowsecurity AS guarded
        FROM pg_class c WHERE c.relnamespace = 'sluice'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    ), policies AS (
        SELECT r.name AS object,
               format('%s%s FOR %s TO %s', p.polname, CASE WHEN p.polpermissive THEN '' ELSE ' AS RESTRICTIVE' END,
                      CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                      (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(role) END, ', ' ORDER BY role)
                       FROM unnest(p.polroles) role))
               || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
               || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '') AS text,
               p.polpermissive AND EXISTS (SELECT FROM unnest(p.polroles) role WHERE role = 0 OR role IN (SELECT a.oid FROM application a))
                   AS opens
        FROM pg_policy p JOIN relations r ON r.oid = p.polrelid
    ), grants AS (
        SELECT DISTINCT g.object, g.partition, g.grantee,
               format('%s%s TO %s', g.privilege, CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END,
                      CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee) END) AS text
        FROM (
            SELECT r.name AS object, r.relispartition AS partition, r.relowner AS owner, a.privilege_type AS privilege, a.grantee, a.is_grantable
            FROM relations r, aclexplode(r.relacl) a
            UNION ALL
            SELECT r.name, r.relispartition, r.relowner, format('%s (%s)', a.privilege_type, t.attname), a.grantee, a.is_grantable
            FROM relations r JOIN pg_attribute t ON t.attrelid = r.oid AND t.attacl IS NOT NULL, aclexplode(t.attacl) a
            UNION ALL
            SELECT format('%s(%s)', p.proname, oidvectortypes(p.proargtypes)), false, p.proowner, a.privilege_type, a.grantee, a.is_grantable
            FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
            WHERE p.pronamespace = 'sluice'::regnamespace
            UNION ALL
            SELECT 'schema sluice', false, n.nspowner, a.privilege_type, a.grantee, a.is_grantable
            FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'sluice'
            UNION ALL
            SELECT 'what sluice_owner will make', false, d.defaclrole, a.privilege_type, a.grantee, a.is_grantable
            FROM pg_default_acl d, aclexplode(d.defaclacl) a
            WHERE d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = 'sluice_owner')
              AND d.defaclnamespace IN (0, 'sluice'::regnamespace)
        ) g WHERE g.grantee <> g.owner
    ), expected AS (
        SELECT m.object, m.kind, m.expected AS text FROM sluice.manifest m
    )
    -- Tables
    SELECT 'missing', e.object, 'there is no such table'
    FROM expected e WHERE e.kind = 'table' AND NOT EXISTS (SELECT FROM relations r WHERE r.name = e.object AND r.relkind IN ('r', 'p'))
    UNION ALL
    SELECT 'unsafe', r.name, 'row-level security is not both enabled and forced'
    FROM relations r
    WHERE NOT r.guarded
      AND (r.relispartition OR EXISTS (SELECT FROM expected e WHERE e.kind = 'table' AND e.object = r.name AND e.text = 'guarded'))
    UNION ALL
    SELECT 'unsafe', r.name, 'belongs to ' || pg_get_userbyid(r.relowner) || ' instead of sluice_owner'
    FROM relations r
    WHERE pg_get_userbyid(r.relowner) <> 'sluice_owner'
      AND (r.relispartition OR EXISTS (SELECT FROM expected e WHERE e.kind = 'table' AND e.object = r.name))
    -- Policies
    UNION ALL
    SELECT 'unsafe', e.object, 'has no policy ' || e.text
    FROM expected e JOIN relations r ON r.name = e.object
    WHERE e.kind = 'policy' AND NOT EXISTS (SELECT FROM policies p WHERE p.object = e.object AND p.text = e.text)
    UNION ALL
    SELECT CASE WHEN p.opens THEN 'unsafe' ELSE 'extra' END, p.object, 'has one more policy: ' || p.text
    FROM policies p WHERE NOT EXISTS (SELECT FROM expected e WHERE e.kind = 'policy' AND e.object = p.object AND e.text = p.text)
    -- Grants
    UNION ALL
    SELECT 'missing', e.object, 'lacks the grant ' || e.text
    FROM expected e WHERE e.kind = 'grant' AND NOT EXISTS (SELECT FROM grants g WHERE g.object = e.object AND g.text = e.text)
    UNION ALL
    SELECT CASE WHEN g.partition AND (g.grantee = 0 OR EXISTS (SELECT FROM application a
                                                               WHERE a.oid IS NOT NULL AND pg_has_role(a.oid, g.grantee, 'MEMBER')))
                THEN 'unsafe' ELSE 'extra' END,
           g.object, CASE WHEN g.partition THEN 'a partition can be reached directly: ' ELSE 'has one more grant: ' END || g.text
    FROM grants g WHERE NOT EXISTS (SELECT FROM expected e WHERE e.kind = 'grant' AND e.object = g.object AND e.text = g.text)
    -- Roles
    UNION ALL
    SELECT 'missing', a.name, 'there is no such role' FROM application a WHERE a.oid IS NULL
    UNION ALL
    SELECT 'unsafe', a.name, 'is a superuser or has BYPASSRLS' FROM application a WHERE a.rolsuper OR a.rolbypassrls
    UNION ALL
    SELECT 'unsafe', a.name, 'may become ' || r.rolname
    FROM application a JOIN pg_roles r
        ON (r.rolsuper OR r.rolbypassrls OR r.rolname IN ('sluice_owner', 'pg_read_all_data', 'pg_write_all_data')) AND r.oid <> a.oid
    WHERE NOT a.rolsuper AND pg_has_role(a.oid, r.oid, 'MEMBER')
    UNION ALL
    SELECT 'missing', e.object, 'is no member of ' || e.text
    FROM expected e
    WHERE e.kind = 'member'
      AND NOT EXISTS (SELECT FROM pg_auth_members m
                      WHERE pg_get_userbyid(m.member) = e.object AND pg_get_userbyid(m.roleid) = e.text)
    UNION ALL
    SELECT DISTINCT 'extra', a.name, 'is a member of ' || pg_get_userbyid(m.roleid) || ' too'
    FROM application a JOIN pg_auth_members m ON m.member = a.oid
    WHERE NOT EXISTS (SELECT FROM expected e WHERE e.kind = 'member' AND e.object = a.name AND e.text = pg_get_userbyid(m.roleid))
    -- Triggers
    UNION ALL
    SELECT 'missing', e.object, 'has no enabled trigger ' || e.text
    FROM expected e
    WHERE e.kind = 'trigger'
      AND NOT EXISTS (SELECT FROM pg_trigger t JOIN relations r ON r.oid = t.tgrelid
                      WHERE r.name = e.object AND t.tgname = e.text AND t.tgenabled IN ('A', 'O'))
$$;
GRANT EXECUTE ON FUNCTION sluice.check_isolation() TO sluice_api;

-- ── The audit log ───────────────────────────────────────────────────────────────────────────────────────────────
-- No role of the application's has a right on it, and the owner may only add. Lines may go when they are a year old, so that names of
-- people need not be kept for ever; a tenant that is deleted leaves its lines. A superuser can still take the trigger away: doctor sees that.
CREATE FUNCTION sluice.keep_audit_log() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.at < now() - interval '365 days' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit log only grows' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON sluice.audit_log FOR EACH ROW EXECUTE FUNCTION sluice.keep_audit_log();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON sluice.audit_log FOR EACH STATEMENT EXECUTE FUNCTION sluice.keep_audit_log();
ALTER TABLE sluice.audit_log ENABLE ALWAYS TRIGGER append_only, ENABLE ALWAYS TRIGGER append_only_truncate;
CREATE INDEX audit_log_at ON sluice.audit_log (at);
