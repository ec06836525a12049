-- The tables, roles, policies and month-making functions of Sluice.
--
-- Everything lives in the schema `sluice`; every statement names it, so that nothing hangs on a search_path.
-- Run by a superuser, or by a role with CREATEROLE and CREATE on this database.

-- ── Roles ───────────────────────────────────────────────────────────────────────────────────────────────────────
-- sluice_owner   owns everything here; maintenance and the operator's tool act as it
-- sluice_writer  inserts events, sees only what RETURNING needs
-- sluice_reader  reads one tenant: the one that app.tenant names
-- sluice_api     what the API logs in as: no rights of its own, takes one of the two above in each transaction
-- Roles belong to the cluster, not to this database: another database's migration may be making them now.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['sluice_owner', 'sluice_writer', 'sluice_reader', 'sluice_api'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOINHERIT %s', role_name,
                               CASE role_name WHEN 'sluice_api' THEN 'LOGIN' ELSE 'NOLOGIN' END);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;

    FOREACH role_name IN ARRAY ARRAY['sluice_writer', 'sluice_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_auth_members
                       WHERE roleid = role_name::regrole AND member = 'sluice_api'::regrole) THEN
            BEGIN
                EXECUTE format('GRANT %I TO sluice_api', role_name);
            EXCEPTION WHEN unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;

    -- Who makes a role on PostgreSQL 16 and newer is its member without the right to act as it.
    IF current_setting('server_version_num')::int >= 160000 THEN
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            EXECUTE format('GRANT sluice_owner TO %I WITH INHERIT TRUE, SET TRUE', current_user);
        END IF;
    ELSIF NOT pg_has_role(current_user, 'sluice_owner', 'MEMBER') THEN
        EXECUTE format('GRANT sluice_owner TO %I', current_user);
    END IF;

    -- A hung API must not hold an event's row for long, whatever the server's defaults are.
    IF NOT EXISTS (SELECT FROM pg_db_role_setting WHERE setrole = 'sluice_api'::regrole AND setdatabase = 0) THEN
        BEGIN
            ALTER ROLE sluice_api SET idle_in_transaction_session_timeout = '5s';
            ALTER ROLE sluice_api SET statement_timeout = '30s';
            ALTER ROLE sluice_api SET tcp_user_timeout = '10s';
            ALTER ROLE sluice_api SET tcp_keepalives_idle = '5s';
        EXCEPTION WHEN unique_violation THEN
            NULL;
        END;
    END IF;

    -- For people at a psql prompt; no statement of ours relies on it.
    BEGIN
        EXECUTE format('ALTER DATABASE %I SET search_path = sluice, public', current_database());
    EXCEPTION WHEN insufficient_privilege THEN
        NULL;
    END;
END
$$;

ALTER SCHEMA sluice OWNER TO sluice_owner;
ALTER TABLE sluice.migrations OWNER TO sluice_owner;
GRANT USAGE ON SCHEMA sluice TO sluice_api, sluice_writer, sluice_reader;

SET LOCAL ROLE sluice_owner;

-- PostgreSQL lets everybody execute a new function; here nobody may unless it is granted.
ALTER DEFAULT PRIVILEGES FOR ROLE sluice_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- ── Tenants and what they configure ─────────────────────────────────────────────────────────────────────────────
CREATE TABLE sluice.tenants (
    tenant_id      int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug           text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    retention_days int NOT NULL CHECK (retention_days BETWEEN 1 AND 36500),
    limits         jsonb NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL DEFAULT now(),
    suspended_at   timestamptz,
    held_at        timestamptz
);
COMMENT ON COLUMN sluice.tenants.held_at IS 'a legal hold since: nothing of this tenant is purged';

CREATE TABLE sluice.sources (
    tenant_id   int NOT NULL REFERENCES sluice.tenants,
    source_id   int GENERATED ALWAYS AS IDENTITY,
    slug        text NOT NULL CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    profile     text NOT NULL CHECK (profile IN ('privileges-webhook', 'fluent-bit', 'generic')),
    schema_name text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, source_id),
    UNIQUE (tenant_id, slug)
);
COMMENT ON COLUMN sluice.sources.schema_name IS 'read with this schema''s newest version; NULL: the whole record is kept in extra';

CREATE TABLE sluice.schemas (
    tenant_id  int NOT NULL REFERENCES sluice.tenants,
    version_no int NOT NULL CHECK (version_no > 0),
    name       text NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$'),
    version    text NOT NULL CHECK (version ~ '^[0-9]+-[0-9]+-[0-9]+$'),
    document   text NOT NULL,
    checksum   bytea NOT NULL CHECK (octet_length(checksum) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, version_no),
    UNIQUE (tenant_id, name, version)
);
COMMENT ON COLUMN sluice.schemas.version_no IS 'counts a tenant''s published versions over all its schemas; 0 in events: no schema';
COMMENT ON COLUMN sluice.schemas.checksum IS 'SHA-256 of the document''s canonical form';

CREATE TABLE sluice.schema_slots (
    tenant_id int NOT NULL REFERENCES sluice.tenants,
    field     text NOT NULL,
    type      text NOT NULL,
    slot      smallint NOT NULL CHECK (slot BETWEEN 1 AND 8),
    PRIMARY KEY (tenant_id, field, type),
    UNIQUE (tenant_id, slot)
);
COMMENT ON TABLE sluice.schema_slots IS 'which of events.k1 … k8 an indexed field has, for good';

CREATE TABLE sluice.api_keys (
    key_id       text PRIMARY KEY CHECK (key_id ~ '^[0-9A-Za-z]{10}$'),
    tenant_id    int NOT NULL REFERENCES sluice.tenants,
    kind         text NOT NULL CHECK (kind IN ('ing', 'hook', 'qry', 'adm')),
    digest       bytea NOT NULL CHECK (octet_length(digest) = 32),
    scopes       text[] NOT NULL,
    source_id    int,
    name         text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,
    FOREIGN KEY (tenant_id, source_id) REFERENCES sluice.sources (tenant_id, source_id)
);
CREATE INDEX api_keys_tenant ON sluice.api_keys (tenant_id);
COMMENT ON COLUMN sluice.api_keys.digest IS 'SHA-256 of the secret';

CREATE TABLE sluice.issuers (
    issuer_id    int GENERATED ALWAYS AS IDENTITY,
    tenant_id    int NOT NULL REFERENCES sluice.tenants,
    iss          text NOT NULL,
    aud          text NOT NULL,
    algorithms   text[] NOT NULL,
    jwks         jsonb,
    jwks_url     text,
    scopes       text[] NOT NULL,
    on_expired   text NOT NULL DEFAULT 'reject' CHECK (on_expired IN ('reject', 'hold')),
    max_lifetime interval,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, issuer_id),
    UNIQUE (iss, aud)
);

CREATE TABLE sluice.audit_log (
    tenant_id int NOT NULL DEFAULT 0,
    entry_id  bigint GENERATED ALWAYS AS IDENTITY,
    at        timestamptz NOT NULL DEFAULT now(),
    actor     text NOT NULL,
    address   text,
    action    text NOT NULL,
    target    text NOT NULL,
    detail    jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, entry_id)
);
COMMENT ON COLUMN sluice.audit_log.tenant_id IS '0: an act on the whole installation';

-- What the replicas of one installation share and no tenant has.
CREATE TABLE sluice.settings (
    name  text PRIMARY KEY,
    value bytea NOT NULL
);
INSERT INTO sluice.settings
VALUES ('cursor_secret', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

-- ── Events ──────────────────────────────────────────────────────────────────────────────────────────────────────
CREATE TABLE sluice.events (
    tenant_id   int NOT NULL,
    occurred_at timestamptz NOT NULL,
    id          uuid NOT NULL,
    received_at timestamptz NOT NULL,
    source_id   int NOT NULL,
    version_no  int NOT NULL,
    type        text,
    actor       text,
    machine     text,
    k1 text, k2 text, k3 text, k4 text, k5 text, k6 text, k7 text, k8 text,
    fields      jsonb NOT NULL,
    extra       jsonb NOT NULL,
    PRIMARY KEY (tenant_id, occurred_at, id)
) PARTITION BY RANGE (occurred_at);

CREATE INDEX events_actor ON sluice.events (tenant_id, actor, occurred_at) WHERE actor IS NOT NULL;
CREATE INDEX events_machine ON sluice.events (tenant_id, machine, occurred_at) WHERE machine IS NOT NULL;
CREATE INDEX events_received ON sluice.events USING brin (received_at);
CREATE INDEX events_k1 ON sluice.events (tenant_id, k1, occurred_at) WHERE k1 IS NOT NULL;
CREATE INDEX events_k2 ON sluice.events (tenant_id, k2, occurred_at) WHERE k2 IS NOT NULL;
CREATE INDEX events_k3 ON sluice.events (tenant_id, k3, occurred_at) WHERE k3 IS NOT NULL;
CREATE INDEX events_k4 ON sluice.events (tenant_id, k4, occurred_at) WHERE k4 IS NOT NULL;
CREATE INDEX events_k5 ON sluice.events (tenant_id, k5, occurred_at) WHERE k5 IS NOT NULL;
CREATE INDEX events_k6 ON sluice.events (tenant_id, k6, occurred_at) WHERE k6 IS NOT NULL;
CREATE INDEX events_k7 ON sluice.events (tenant_id, k7, occurred_at) WHERE k7 IS NOT NULL;
CREATE INDEX events_k8 ON sluice.events (tenant_id, k8, occurred_at) WHERE k8 IS NOT NULL;

CREATE TABLE sluice.quarantine (
    tenant_id        int NOT NULL,
    received_at      timestamptz NOT NULL,
    id               uuid NOT NULL,
    source_id        int,
    version_no       int,
    reason           text NOT NULL,
    pointer          text,
    detail           text NOT NULL DEFAULT '',
    body             bytea NOT NULL,
    count            int NOT NULL DEFAULT 1 CHECK (count > 0),
    last_received_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, received_at, id)
) PARTITION BY RANGE (received_at);

-- Ids that senders chose themselves; unique across months, so not partitioned by time.
CREATE TABLE sluice.remembered_ids (
    tenant_id      int NOT NULL,
    source_id      int NOT NULL,
    key_digest     bytea NOT NULL CHECK (octet_length(key_digest) = 32),
    content_digest bytea NOT NULL CHECK (octet_length(content_digest) = 32),
    occurred_at    timestamptz NOT NULL,
    id             uuid NOT NULL,
    seen_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, source_id, key_digest)
);
CREATE INDEX remembered_ids_seen ON sluice.remembered_ids USING brin (seen_at);

-- The months of events that exist, and who caused those that were not made ahead of time.
CREATE TABLE sluice.months (
    month     date PRIMARY KEY CHECK (month = date_trunc('month', month)),
    caused_by int,
    made_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN sluice.months.caused_by IS 'the tenant whose event came first in an unplanned month; NULL: made ahead';

-- ── Who sees which row ──────────────────────────────────────────────────────────────────────────────────────────
-- Row-level security is forced, so that it binds the owner too; the owner's own policy lets it see everything.
-- Grants stand on parents only: a partition reached by its own name has no grant and no policy.
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['tenants', 'sources', 'schemas', 'schema_slots', 'api_keys', 'issuers', 'audit_log',
                             'settings', 'events', 'quarantine', 'remembered_ids', 'months'] LOOP
        EXECUTE format('ALTER TABLE sluice.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY owner_all ON sluice.%I TO sluice_owner USING (true) WITH CHECK (true)', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['tenants', 'sources', 'schemas', 'schema_slots', 'events', 'quarantine'] LOOP
        EXECUTE format('CREATE POLICY reader_own_tenant ON sluice.%I FOR SELECT TO sluice_reader '
                       'USING (tenant_id = nullif(current_setting(''app.tenant'', true), '''')::int)', t);
        EXECUTE format('GRANT SELECT ON sluice.%I TO sluice_reader', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['events', 'quarantine', 'remembered_ids'] LOOP
        EXECUTE format('CREATE POLICY writer_insert ON sluice.%I FOR INSERT TO sluice_writer WITH CHECK (true)', t);
        EXECUTE format('GRANT INSERT ON sluice.%I TO sluice_writer', t);
    END LOOP;
END
$$;
CREATE POLICY writer_returning ON sluice.events FOR SELECT TO sluice_writer USING (true);
GRANT SELECT (tenant_id, occurred_at, id) ON sluice.events TO sluice_writer;
CREATE POLICY writer_remembers ON sluice.remembered_ids FOR SELECT TO sluice_writer USING (true);
GRANT SELECT ON sluice.remembered_ids TO sluice_writer;

-- ── Months ──────────────────────────────────────────────────────────────────────────────────────────────────────
-- Makes the partition of a parent for one UTC month unless it is there. True when it was made now.
-- CREATE TABLE … (LIKE) and ATTACH, because CREATE … PARTITION OF takes an ACCESS EXCLUSIVE lock on the parent and
-- would queue all ingest behind one reader. The caller holds the months' advisory lock. What is there is what the catalog
-- says, whatever `months` has noted; a table of the month's name that is no partition (a purge that ended half-way) keeps
-- its rows under another name.
CREATE FUNCTION sluice.has_partition(parent text, month date) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                   WHERE i.inhparent = format('sluice.%I', parent)::regclass AND NOT i.inhdetachpending
                     AND c.relname = format('%s_%s', parent, to_char(month, 'YYYY_MM')))
$$;

CREATE FUNCTION sluice.make_partition(parent text, month date) RETURNS boolean
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

-- Makes the planned months, from last month to two ahead. How many were made now.
CREATE FUNCTION sluice.ensure_planned_months() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
    this_month date := date_trunc('month', now() AT TIME ZONE 'UTC');
    planned date;
    made int := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('sluice.months'));
    FOR planned IN SELECT this_month + make_interval(months => m) FROM generate_series(-1, 2) m LOOP
        made := made + sluice.make_partition('events', planned)::int + sluice.make_partition('quarantine', planned)::int;
        INSERT INTO sluice.months (month) VALUES (planned) ON CONFLICT DO NOTHING;
    END LOOP;
    RETURN made;
END
$$;

-- Makes the month of an event that came outside the planned ones. `ready`: it is there; `unavailable`: there are as many
-- months as there may be (120 in all, 24 caused by one tenant); `out_of_range`: this tenant does not keep that month.
CREATE FUNCTION sluice.ensure_month(tenant int, month date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
SET timezone = 'UTC'
AS $$
#variable_conflict use_variable
DECLARE
    first_day date := date_trunc('month', month);
    retention int := (SELECT t.retention_days FROM sluice.tenants t WHERE t.tenant_id = tenant);
BEGIN
    IF sluice.has_partition('events', first_day) THEN
        RETURN 'ready';
    END IF;
    IF retention IS NULL
       OR first_day < '1970-01-01'
       OR first_day + interval '1 month' <= now() - make_interval(days => retention)
       OR first_day > now() + interval '24 hours' THEN
        RETURN 'out_of_range';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('sluice.months'));
    IF sluice.has_partition('events', first_day) THEN
        RETURN 'ready';
    END IF;
    IF NOT EXISTS (SELECT FROM sluice.months m WHERE m.month = first_day)
       AND (SELECT count(*) >= 120 OR count(*) FILTER (WHERE m.caused_by = tenant) >= 24 FROM sluice.months m) THEN
        RETURN 'unavailable';
    END IF;
    PERFORM sluice.make_partition('events', first_day);
    INSERT INTO sluice.months (month, caused_by) VALUES (first_day, tenant) ON CONFLICT DO NOTHING;
    RETURN 'ready';
END
$$;
GRANT EXECUTE ON FUNCTION sluice.ensure_planned_months(), sluice.ensure_month(int, date) TO sluice_api;

-- ── What the API may ask before it knows a tenant ───────────────────────────────────────────────────────────────
CREATE FUNCTION sluice.find_key(wanted text)
RETURNS TABLE (tenant_id int, kind text, digest bytea, scopes text[], source_id int, name text, expires_at timestamptz,
               revoked_at timestamptz, tenant_slug text, retention_days int, suspended boolean)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT k.tenant_id, k.kind, k.digest, k.scopes, k.source_id, k.name, k.expires_at, k.revoked_at,
           t.slug, t.retention_days, t.suspended_at IS NOT NULL
    FROM sluice.api_keys k JOIN sluice.tenants t USING (tenant_id)
    WHERE k.key_id = wanted
$$;

-- Signs cursors, so that every replica takes those of every other.
CREATE FUNCTION sluice.cursor_secret() RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT value FROM sluice.settings WHERE name = 'cursor_secret' $$;

-- Is this database fit for traffic: its newest migration, and whether the partitions of this month and the next are there.
CREATE FUNCTION sluice.readiness() RETURNS TABLE (migration int, months_ready boolean, read_only boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
    SELECT (SELECT max(number) FROM sluice.migrations),
           (SELECT bool_and(sluice.has_partition(parent, (date_trunc('month', now()) + make_interval(months => ahead))::date))
            FROM unnest(ARRAY['events', 'quarantine']) parent, generate_series(0, 1) ahead),
           pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean
$$;
GRANT EXECUTE ON FUNCTION sluice.find_key(text), sluice.cursor_secret(), sluice.readiness() TO sluice_api;

SELECT sluice.ensure_planned_months();
