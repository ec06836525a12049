-- The life of data: what expires is invisible at once and gone later; holds; the end of a subject's events and of a tenant; what
-- backups and the maintenance daemon need to know. Additive: a binary that knows nothing of it runs beside it.

SET LOCAL ROLE sluice_owner;

ALTER TABLE sluice.tenants ADD COLUMN deleting_at timestamptz;
COMMENT ON COLUMN sluice.tenants.deleting_at IS 'being deleted since: its keys are gone, its rows are going';

-- ── What has expired is invisible at once ───────────────────────────────────────────────────────────────────────
-- Beside the window that every read states itself (which prunes months when a query is planned), so that a read that forgets it
-- shows nothing more. Days are of 24 hours. The sub-select is evaluated once a query.
CREATE POLICY reader_within_retention ON sluice.events AS RESTRICTIVE FOR SELECT TO sluice_reader
    USING (occurred_at >= (SELECT now() - make_interval(hours => 24 * t.retention_days) FROM sluice.tenants t
                           WHERE t.tenant_id = nullif(current_setting('app.tenant', true), '')::int));
CREATE POLICY reader_within_retention ON sluice.quarantine AS RESTRICTIVE FOR SELECT TO sluice_reader
    USING (last_received_at >= now() - interval '720 hours');

-- ── Months ──────────────────────────────────────────────────────────────────────────────────────────────────────
-- As before, but for a month whose detaching is under way: its bounds are taken until that is finished, so the caller tries again.
CREATE OR REPLACE FUNCTION sluice.make_partition(parent text, month date) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
SET timezone = 'UTC'
AS $$
DECLARE
    name text := format('%s_%s', parent, to_char(month, 'YYYY_MM'));
BEGIN
    IF sluice.has_partition(parent, month) THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = to_regclass(format('sluice.%I', name)) AND i.inhdetachpending) THEN
        RAISE EXCEPTION 'the month % is being detached', name USING ERRCODE = 'lock_not_available';
    END IF;
    IF to_regclass(format('sluice.%I', name)) IS NOT NULL THEN
        EXECUTE format('ALTER TABLE sluice.%I RENAME TO %I', name, format('%s_detached_%s', name, extract(epoch FROM now())::bigint));
    END IF;
    EXECUTE format('CREATE TABLE sluice.%I (LIKE sluice.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name, parent);
    EXECUTE format('ALTER TABLE sluice.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE sluice.%I ATTACH PARTITION sluice.%I FOR VALUES FROM (%L) TO (%L)', parent, name,
                   to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
                   to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
    RETURN true;
END
$$;

-- All months there are, also those that were detached. `state`: attached; detaching (FINALIZE is due); purging (detached by a purge that
-- did not come to its end); detached (by somebody else).
CREATE FUNCTION sluice.partitions()
RETURNS TABLE (parent text, name text, relation oid, since timestamptz, until timestamptz, state text, rows_estimate bigint, bytes bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
    SELECT f.parts[1], c.relname::text, c.oid, to_date(f.parts[2], 'YYYY_MM')::timestamptz,
           (to_date(f.parts[2], 'YYYY_MM') + interval '1 month')::timestamptz,
           CASE WHEN i.inhdetachpending THEN 'detaching' WHEN i.inhrelid IS NOT NULL THEN 'attached'
                WHEN obj_description(c.oid, 'pg_class') = 'sluice: being purged' THEN 'purging' ELSE 'detached' END,
           greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid)
    FROM pg_class c
    CROSS JOIN LATERAL (SELECT regexp_match(c.relname, '^(events|quarantine)_([0-9]{4}_[0-9]{2})(?:_detached_[0-9]+)?$') AS parts) f
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relnamespace = 'sluice'::regnamespace AND c.relkind = 'r' AND f.parts IS NOT NULL
    ORDER BY 1, 4, 2
$$;

-- The tenants that have rows in a window of a parent, and the time of each one's oldest row there. A jump through the primary key: it
-- costs one look-up a tenant, however many rows there are.
CREATE FUNCTION sluice.tenants_in(parent text, since timestamptz, until timestamptz)
RETURNS TABLE (tenant_id int, oldest timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at text := CASE parent WHEN 'quarantine' THEN 'received_at' ELSE 'occurred_at' END;
    next bigint := -2147483648;
BEGIN
    LOOP
        EXECUTE format('SELECT p.tenant_id, p.%1$I FROM sluice.%2$I p WHERE p.tenant_id >= $1 AND p.%1$I >= $2 AND p.%1$I < $3 '
                       'ORDER BY p.tenant_id, p.%1$I LIMIT 1', at, parent)
            INTO tenants_in.tenant_id, tenants_in.oldest USING next::int, since, until;
        EXIT WHEN tenants_in.tenant_id IS NULL;
        RETURN NEXT;
        next := tenants_in.tenant_id::bigint + 1;
        EXIT WHEN next > 2147483647;
    END LOOP;
END
$$;

-- Whether a month must stay: somebody who may see some of it, or is on hold, has a row in it. Refused records expire one by one, so
-- their months stay until they are empty. Rows of tenants that are no more keep nothing.
CREATE FUNCTION sluice.month_is_needed(parent text, since timestamptz, until timestamptz) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM sluice.tenants_in(parent, since, until) i JOIN sluice.tenants t USING (tenant_id)
                   WHERE parent = 'quarantine' OR t.held_at IS NOT NULL
                      OR until > now() - make_interval(hours => 24 * t.retention_days))
$$;

-- Notes that a month is to go, so that what is found detached later is known to be a purge's. False when it must stay after all, or is one of
-- those made ahead.
CREATE FUNCTION sluice.mark_for_purge(parent text, name text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
SET timezone = 'UTC'
AS $$
#variable_conflict use_variable
DECLARE
    p record;
BEGIN
    SELECT * INTO p FROM sluice.partitions() a WHERE a.parent = parent AND a.name = name AND a.state = 'attached';
    IF NOT FOUND OR p.since >= date_trunc('month', now()) - interval '1 month' OR sluice.month_is_needed(parent, p.since, p.until) THEN
        RETURN false;
    END IF;
    EXECUTE format('COMMENT ON TABLE sluice.%I IS %L', name, 'sluice: being purged');
    RETURN true;
END
$$;

-- Drops a month that a purge has detached; nobody can write to it any more. Retention and holds are looked at once more, under a lock that
-- every change of them takes (an UPDATE of tenants). A month that must stay after all comes back, and what was stored in its place meanwhile
-- stays too. `dropped`, `kept`, or `absent` when it is no detached month of ours.
-- Row-level security is forced on every month and without a policy of its own, so its owner would see it empty: it is lifted first.
CREATE FUNCTION sluice.drop_detached(relation oid) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
SET timezone = 'UTC'
AS $$
#variable_conflict use_variable
DECLARE
    p record;
    month_name text;
    columns text;
    needed boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('sluice.months'));
    LOCK TABLE sluice.tenants IN SHARE MODE;
    SELECT * INTO p FROM sluice.partitions() a WHERE a.relation = relation AND a.state = 'purging';
    IF NOT FOUND THEN
        RETURN 'absent';
    END IF;
    EXECUTE format('ALTER TABLE sluice.%I NO FORCE ROW LEVEL SECURITY', p.name);
    EXECUTE format('SELECT EXISTS (SELECT FROM sluice.tenants t WHERE ($1 OR t.held_at IS NOT NULL '
                   'OR $2 > now() - make_interval(hours => 24 * t.retention_days)) '
                   'AND EXISTS (SELECT FROM sluice.%I r WHERE r.tenant_id = t.tenant_id))', p.name)
        INTO needed USING p.parent = 'quarantine', p.until;
    IF NOT needed THEN
        EXECUTE format('DROP TABLE sluice.%I', p.name);
        DELETE FROM sluice.months m
        WHERE p.parent = 'events' AND m.month = p.since::date AND NOT sluice.has_partition('events', p.since::date);
        RETURN 'dropped';
    END IF;
    IF sluice.has_partition(p.parent, p.since::date) THEN
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO columns
        FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped;
        EXECUTE format('INSERT INTO sluice.%1$I (%2$s) SELECT %2$s FROM sluice.%3$I ON CONFLICT DO NOTHING', p.parent, columns, p.name);
        EXECUTE format('DROP TABLE sluice.%I', p.name);
        RETURN 'kept';
    END IF;
    month_name := format('%s_%s', p.parent, to_char(p.since, 'YYYY_MM'));
    EXECUTE format('ALTER TABLE sluice.%I FORCE ROW LEVEL SECURITY', p.name);
    EXECUTE format('COMMENT ON TABLE sluice.%I IS NULL', p.name);
    IF p.name <> month_name THEN
        EXECUTE format('ALTER TABLE sluice.%I RENAME TO %I', p.name, month_name);
    END IF;
    EXECUTE format('ALTER TABLE sluice.%I ATTACH PARTITION sluice.%I FOR VALUES FROM (%L) TO (%L)', p.parent, month_name,
                   to_char(p.since, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(p.until, 'YYYY-MM-DD') || ' 00:00:00+00');
    INSERT INTO sluice.months (month) SELECT p.since::date WHERE p.parent = 'events' ON CONFLICT DO NOTHING;
    RETURN 'kept';
END
$$;

-- ── Rows that go one by one ─────────────────────────────────────────────────────────────────────────────────────
-- Deletes up to `batch` of a tenant's events of a window that the tenant may not see any more; all of them when there is no such tenant (what
-- was in flight when it was deleted). How many. The tenant's row is locked against changes of its retention and hold meanwhile.
CREATE FUNCTION sluice.purge_expired(tenant int, since timestamptz, until timestamptz, batch int) RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    kept record;
    horizon timestamptz := until;
    purged int;
BEGIN
    SELECT t.retention_days, t.held_at INTO kept FROM sluice.tenants t WHERE t.tenant_id = tenant FOR SHARE;
    IF FOUND THEN
        IF kept.held_at IS NOT NULL THEN
            RETURN 0;
        END IF;
        horizon := least(until, now() - make_interval(hours => 24 * kept.retention_days));
    END IF;
    WITH doomed AS (
        SELECT e.occurred_at, e.id FROM sluice.events e
        WHERE e.tenant_id = tenant AND e.occurred_at >= since AND e.occurred_at < horizon
        ORDER BY e.occurred_at, e.id LIMIT batch
    )
    DELETE FROM sluice.events e USING doomed d
    WHERE e.tenant_id = tenant AND e.occurred_at >= since AND e.occurred_at < horizon AND e.occurred_at = d.occurred_at AND e.id = d.id;
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$$;

-- As before, but tenants on hold keep their ids too.
CREATE OR REPLACE FUNCTION sluice.sweep_remembered_ids(batch int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    swept int;
BEGIN
    DELETE FROM sluice.remembered_ids r
    WHERE r.ctid = ANY (ARRAY(SELECT o.ctid FROM sluice.remembered_ids o
                              WHERE o.seen_at < now() - interval '7 days'
                                AND o.tenant_id NOT IN (SELECT t.tenant_id FROM sluice.tenants t WHERE t.held_at IS NOT NULL)
                              LIMIT batch FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS swept = ROW_COUNT;
    RETURN swept;
END
$$;

-- ── The end of a subject's events ───────────────────────────────────────────────────────────────────────────────
-- Deletes up to `batch` of a tenant's events of one subject, and the ids that their senders chose. NULL: whatever it is. How many events.
CREATE FUNCTION sluice.erase_events(tenant int, of_actor text, of_machine text, since timestamptz, until timestamptz, batch int) RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    erased int;
BEGIN
    IF of_actor IS NULL AND of_machine IS NULL THEN
        RAISE EXCEPTION 'a subject is an actor, a machine or both' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM FROM sluice.tenants t WHERE t.tenant_id = tenant AND t.held_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the tenant is on hold' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    WITH doomed AS (
        SELECT e.occurred_at, e.id FROM sluice.events e
        WHERE e.tenant_id = tenant AND e.occurred_at >= since AND e.occurred_at < until
          AND (of_actor IS NULL OR e.actor = of_actor) AND (of_machine IS NULL OR e.machine = of_machine)
        ORDER BY e.occurred_at, e.id LIMIT batch
    ), gone AS (
        DELETE FROM sluice.events e USING doomed d
        WHERE e.tenant_id = tenant AND e.occurred_at >= since AND e.occurred_at < until AND e.occurred_at = d.occurred_at AND e.id = d.id
        RETURNING e.id
    ), forgotten AS (
        DELETE FROM sluice.remembered_ids r USING gone g WHERE r.tenant_id = tenant AND r.id = g.id
    )
    SELECT count(*) INTO erased FROM gone;
    RETURN erased;
END
$$;

-- Deletes up to `batch` of a tenant's refused records, received in a window, whose body holds, of each set of byte strings given, one at
-- least. `patterns` are numbered by `places`. How many.
CREATE FUNCTION sluice.erase_refused(tenant int, patterns bytea[], places int[], since timestamptz, until timestamptz, batch int) RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
    erased int;
    freed bigint;
BEGIN
    PERFORM FROM sluice.tenants t WHERE t.tenant_id = tenant AND t.held_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the tenant is on hold' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM FROM sluice.quarantine_usage u WHERE u.tenant_id = tenant FOR UPDATE;
    WITH gone AS (
        DELETE FROM sluice.quarantine q
        WHERE (q.received_at, q.id) IN (
            SELECT o.received_at, o.id FROM sluice.quarantine o
            WHERE o.tenant_id = tenant AND o.received_at >= since AND o.received_at < until
              AND (SELECT bool_and(w.found) FROM (SELECT bool_or(position(u.pattern IN o.body) > 0) AS found
                                                  FROM unnest(patterns, places) u (pattern, place) GROUP BY u.place) w)
            LIMIT batch
        ) AND q.tenant_id = tenant
        RETURNING octet_length(q.body) + 256 AS bytes
    )
    SELECT count(*), coalesce(sum(g.bytes), 0) INTO erased, freed FROM gone g;
    UPDATE sluice.quarantine_usage u SET bytes = greatest(0, u.bytes - freed) WHERE u.tenant_id = tenant;
    RETURN erased;
END
$$;

-- ── The end of a tenant ─────────────────────────────────────────────────────────────────────────────────────────
-- The tables that hold rows of tenants, but for the audit log, and how far each is from `tenants` by foreign keys: the deepest are deleted from
-- first and restored last. Taken from the catalog, so that a table which a later migration makes is there too.
CREATE FUNCTION sluice.tenant_tables() RETURNS TABLE (name text, depth int)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE tables AS (
        SELECT c.oid, c.relname::text AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'sluice'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'audit_log'
          AND c.relname !~ '_detached_[0-9]+$' AND a.attname = 'tenant_id' AND NOT a.attisdropped
          AND NOT EXISTS (SELECT FROM sluice.partitions() p WHERE p.relation = c.oid)
    ), levels AS (
        SELECT t.oid, 0 AS depth FROM tables t WHERE t.name = 'tenants'
        UNION
        SELECT f.conrelid, l.depth + 1 FROM levels l JOIN pg_constraint f ON f.confrelid = l.oid AND f.contype = 'f'
        WHERE f.conrelid <> f.confrelid AND l.depth < 20
    )
    SELECT t.name, coalesce(max(l.depth), 1) FROM tables t LEFT JOIN levels l USING (oid) GROUP BY t.name ORDER BY 2 DESC, 1
$$;

-- The first step: nothing new comes in. Keys and issuers go, with all that hangs on them, and the tenant is suspended and marked. A tenant on
-- hold stays as it is.
CREATE FUNCTION sluice.begin_erasing_tenant(tenant int) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    t record;
BEGIN
    UPDATE sluice.tenants x SET deleting_at = coalesce(x.deleting_at, now()), suspended_at = coalesce(x.suspended_at, now())
    WHERE x.tenant_id = tenant AND x.held_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the tenant is on hold' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    FOR t IN SELECT DISTINCT x.name, x.depth FROM sluice.tenant_tables() x
             WHERE x.name IN ('api_keys', 'issuers')
                OR EXISTS (SELECT FROM pg_constraint f
                           WHERE f.contype = 'f' AND f.conrelid = format('sluice.%I', x.name)::regclass
                             AND f.confrelid IN ('sluice.api_keys'::regclass, 'sluice.issuers'::regclass))
             ORDER BY x.depth DESC LOOP
        EXECUTE format('DELETE FROM sluice.%I WHERE tenant_id = $1', t.name) USING tenant;
    END LOOP;
END
$$;

-- Up to `batch` rows of a tenant that is being deleted, out of one of the three tables that may be large. How many.
CREATE FUNCTION sluice.erase_tenant_rows(tenant int, from_table text, batch int) RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
    erased int;
BEGIN
    PERFORM FROM sluice.tenants t WHERE t.tenant_id = tenant AND t.held_at IS NULL AND t.deleting_at IS NOT NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the tenant is on hold' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    CASE from_table
    WHEN 'events' THEN
        WITH doomed AS (SELECT e.occurred_at, e.id FROM sluice.events e WHERE e.tenant_id = tenant ORDER BY e.occurred_at, e.id LIMIT batch)
        DELETE FROM sluice.events e USING doomed d WHERE e.tenant_id = tenant AND e.occurred_at = d.occurred_at AND e.id = d.id;
    WHEN 'quarantine' THEN
        WITH doomed AS (SELECT q.received_at, q.id FROM sluice.quarantine q WHERE q.tenant_id = tenant ORDER BY q.received_at LIMIT batch)
        DELETE FROM sluice.quarantine q USING doomed d WHERE q.tenant_id = tenant AND q.received_at = d.received_at AND q.id = d.id;
    WHEN 'remembered_ids' THEN
        DELETE FROM sluice.remembered_ids r
        WHERE r.ctid = ANY (ARRAY(SELECT o.ctid FROM sluice.remembered_ids o WHERE o.tenant_id = tenant LIMIT batch));
    END CASE;
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END
$$;

-- The last step: all that is left of it, and the tenant itself. Its lines in the audit log stay.
CREATE FUNCTION sluice.finish_erasing_tenant(tenant int) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    t record;
BEGIN
    PERFORM FROM sluice.tenants x WHERE x.tenant_id = tenant AND x.held_at IS NULL AND x.deleting_at IS NOT NULL FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the tenant is on hold' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- Published schemas never change but here.
    PERFORM set_config('sluice.erase_tenant', tenant::text, true);
    FOR t IN SELECT x.name FROM sluice.tenant_tables() x ORDER BY x.depth DESC, x.name LOOP
        EXECUTE format('DELETE FROM sluice.%I WHERE tenant_id = $1', t.name) USING tenant;
    END LOOP;
END
$$;

-- ── What backups need to know ───────────────────────────────────────────────────────────────────────────────────
-- A closed month is archived once. It is archived again when rows of it were changed or deleted since (these triggers), or came late
-- (their received_at tells).
ALTER TABLE sluice.months ADD COLUMN altered_at timestamptz;
COMMENT ON COLUMN sluice.months.altered_at IS 'when rows of this month were changed or deleted for the last time';

CREATE FUNCTION sluice.note_altered_months() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE sluice.months m SET altered_at = clock_timestamp()
    WHERE m.month IN (SELECT date_trunc('month', a.occurred_at AT TIME ZONE 'UTC')::date FROM altered a);
    RETURN NULL;
END
$$;
CREATE TRIGGER months_updated AFTER UPDATE ON sluice.events
    REFERENCING OLD TABLE AS altered FOR EACH STATEMENT EXECUTE FUNCTION sluice.note_altered_months();
CREATE TRIGGER months_deleted AFTER DELETE ON sluice.events
    REFERENCING OLD TABLE AS altered FOR EACH STATEMENT EXECUTE FUNCTION sluice.note_altered_months();

-- ── What the maintenance daemon did ─────────────────────────────────────────────────────────────────────────────
-- One row a task, so that whoever leads next knows what was done, and metrics can tell.
CREATE TABLE sluice.maintenance (
    task         text PRIMARY KEY,
    started_at   timestamptz,
    finished_at  timestamptz,
    succeeded_at timestamptz,
    runs         bigint NOT NULL DEFAULT 0,
    failures     bigint NOT NULL DEFAULT 0,
    seconds      double precision NOT NULL DEFAULT 0,
    detail       text NOT NULL DEFAULT ''
);
COMMENT ON TABLE sluice.maintenance IS 'each task of sluice maintain: its last run, and how many there were';
COMMENT ON COLUMN sluice.maintenance.succeeded_at IS 'when the last run that succeeded was started';
ALTER TABLE sluice.maintenance ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON sluice.maintenance TO sluice_owner USING (true) WITH CHECK (true);

CREATE FUNCTION sluice.maintenance_state()
RETURNS TABLE (task text, started_at timestamptz, finished_at timestamptz, succeeded_at timestamptz, runs bigint, failures bigint,
               seconds double precision)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.task, m.started_at, m.finished_at, m.succeeded_at, m.runs, m.failures, m.seconds FROM sluice.maintenance m
$$;
GRANT EXECUTE ON FUNCTION sluice.maintenance_state() TO sluice_api;

-- ── The manifest ────────────────────────────────────────────────────────────────────────────────────────────────
INSERT INTO sluice.manifest (object, kind, expected) VALUES
    ('maintenance', 'table', 'guarded'), ('maintenance', 'policy', 'owner_all FOR ALL TO sluice_owner USING (true) WITH CHECK (true)'),
    ('maintenance_state()', 'grant', 'EXECUTE TO sluice_api'),
    ('events', 'trigger', 'months_updated'), ('events', 'trigger', 'months_deleted');

-- As check_isolation() spells a policy, which it does with this search path.
SET LOCAL search_path = pg_catalog, pg_temp;
INSERT INTO sluice.manifest (object, kind, expected)
SELECT c.relname, 'policy', format('%s AS RESTRICTIVE FOR SELECT TO sluice_reader USING (%s)', p.polname, pg_get_expr(p.polqual, p.polrelid))
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE p.polname = 'reader_within_retention';
RESET search_path;
