-- SQL for a tenant's analysts: a login that sees views of one tenant's events, with a typed column for each field, and nothing else.
-- Additive: a binary that knows only the migrations before runs beside it; a version that it publishes shows in the view when the
-- view is put again (sluice maintain, or sluice tenant sql-access).

-- ── The views' role ─────────────────────────────────────────────────────────────────────────────────────────────
-- sluice_analyst  owns the views, and reads for them: rows of the tenant whose login opened the session. Its policies ask who logged in,
--                 which no SQL changes, and no setting: whoever may SET app.tenant could read any tenant. Nobody logs in as it; analysts
--                 are no members of it.
DO $$
DECLARE
    manner text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
    member_name text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sluice_analyst') THEN
        BEGIN
            CREATE ROLE sluice_analyst NOINHERIT NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
    -- The owner hands each view to it. Who migrates takes it when `sluice doctor` tries what it can do; a superuser may anyhow.
    FOREACH member_name IN ARRAY ARRAY['sluice_owner', current_user::text] LOOP
        CONTINUE WHEN member_name <> 'sluice_owner' AND (SELECT rolsuper FROM pg_roles WHERE rolname = member_name);
        CONTINUE WHEN EXISTS (SELECT FROM pg_auth_members
                              WHERE roleid = 'sluice_analyst'::regrole AND pg_get_userbyid(member) = member_name
                                AND member_name = 'sluice_owner');
        BEGIN
            EXECUTE format('GRANT sluice_analyst TO %I', member_name) || manner;
        EXCEPTION WHEN unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;

SET LOCAL ROLE sluice_owner;

CREATE TABLE sluice.sql_access (
    tenant_id   int PRIMARY KEY REFERENCES sluice.tenants ON DELETE CASCADE,
    login       text NOT NULL UNIQUE CHECK (login ~ '^[a-z_][a-z0-9_$]{0,62}$'),
    schema_name text NOT NULL UNIQUE,
    connections int NOT NULL CHECK (connections BETWEEN 1 AND 1000),
    timeout     interval NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    rotated_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sluice.sql_access IS 'the tenants whose analysts may use SQL, and as whom they log in';
ALTER TABLE sluice.sql_access ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON sluice.sql_access TO sluice_owner USING (true) WITH CHECK (true);

-- ── Who sees which row ──────────────────────────────────────────────────────────────────────────────────────────
-- A view states its tenant itself; these policies hold where that is forgotten, and where a cunning condition is evaluated before it:
-- what row-level security asks is always asked first. session_user is who logged in: SET ROLE does not change it, and SET SESSION
-- AUTHORIZATION is a superuser's. The sub-selects are evaluated once a query. A suspended tenant's analysts see nothing.
CREATE POLICY analyst_own ON sluice.sql_access FOR SELECT TO sluice_analyst USING (login = session_user::text);
CREATE POLICY analyst_own_tenant ON sluice.tenants FOR SELECT TO sluice_analyst
    USING (tenant_id = (SELECT a.tenant_id FROM sluice.sql_access a WHERE a.login = session_user::text));
CREATE POLICY analyst_own_tenant ON sluice.sources FOR SELECT TO sluice_analyst
    USING (tenant_id = (SELECT a.tenant_id FROM sluice.sql_access a WHERE a.login = session_user::text));
CREATE POLICY analyst_own_tenant ON sluice.events FOR SELECT TO sluice_analyst
    USING (tenant_id = (SELECT a.tenant_id FROM sluice.sql_access a WHERE a.login = session_user::text));
CREATE POLICY analyst_within_retention ON sluice.events AS RESTRICTIVE FOR SELECT TO sluice_analyst
    USING (occurred_at >= (SELECT now() - make_interval(hours => 24 * t.retention_days)
                           FROM sluice.sql_access a JOIN sluice.tenants t USING (tenant_id)
                           WHERE a.login = session_user::text AND t.suspended_at IS NULL AND t.deleting_at IS NULL));
GRANT SELECT ON sluice.sql_access TO sluice_analyst;
GRANT SELECT (tenant_id, retention_days, suspended_at, deleting_at) ON sluice.tenants TO sluice_analyst;
GRANT SELECT (tenant_id, source_id, slug) ON sluice.sources TO sluice_analyst;
GRANT SELECT (tenant_id, occurred_at, id, received_at, source_id, version_no, type, actor, machine, fields, extra)
    ON sluice.events TO sluice_analyst;

-- ── Old values as the newest type ───────────────────────────────────────────────────────────────────────────────
-- NULL for a text that is none. Everybody may execute them, because a view's functions are executed by who asks the view; they look at
-- nothing but what they are given, and call none of the others, since who asks may not enter this schema.
CREATE FUNCTION sluice.number_of(value text) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN length(value) <= 1100 AND value ~ '^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$' THEN value::numeric END
$$;

CREATE FUNCTION sluice.integer_of(value text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN n = trunc(n) AND n BETWEEN -9223372036854775808 AND 9223372036854775807 THEN n::bigint END
    FROM (SELECT CASE WHEN length(value) <= 1100 AND value ~ '^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$'
                      THEN value::numeric END AS n) number
$$;

CREATE FUNCTION sluice.uuid_of(value text) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN value ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' THEN value::uuid END $$;

CREATE FUNCTION sluice.texts_of(value jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN jsonb_typeof(value) = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(value)) END $$;

-- RFC 3339; no zone is UTC, digits beyond a microsecond are cut. A block with an EXCEPTION may not run in a parallel worker.
CREATE FUNCTION sluice.time_of(value text) RETURNS timestamptz
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO, YMD'
AS $$
BEGIN
    IF length(value) <= 64
       AND value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-6][0-9](\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?$' THEN
        RETURN regexp_replace(upper(value), '(\.[0-9]{6})[0-9]+', '\1')::timestamptz;
    END IF;
    RETURN NULL;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;

CREATE FUNCTION sluice.ip_of(value text) RETURNS inet
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF length(value) < 46 AND value ~ '^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)$' THEN
        RETURN value::inet;
    END IF;
    RETURN NULL;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;
GRANT EXECUTE ON FUNCTION sluice.number_of(text), sluice.integer_of(text), sluice.uuid_of(text), sluice.texts_of(jsonb),
    sluice.time_of(text), sluice.ip_of(text) TO PUBLIC;

-- ── Names ───────────────────────────────────────────────────────────────────────────────────────────────────────
-- A hyphen becomes _, so that nobody need quote. No slug holds _, so no two tenants have one schema; what is too long for a name is cut
-- and told apart by the tenant's number, after a $, which no slug holds either.
CREATE FUNCTION sluice.sql_schema_name(tenant int) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'tenant_' || CASE WHEN length(t.slug) <= 56 THEN replace(t.slug, '-', '_')
                             ELSE left(replace(t.slug, '-', '_'), 45) || '$' || t.tenant_id END
    FROM sluice.tenants t WHERE t.tenant_id = tenant
$$;

-- Names of schemas may hold both: of two that would be called alike, the one that was published first is; a later one has the number of its
-- first version behind a $. A name never changes.
CREATE FUNCTION sluice.sql_view_names(tenant int) RETURNS TABLE (schema_name text, view_name text, newest int)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT n.name,
           CASE WHEN row_number() OVER (PARTITION BY replace(n.name, '-', '_') ORDER BY n.first) = 1 THEN replace(n.name, '-', '_')
                ELSE left(replace(n.name, '-', '_'), 50) || '$' || n.first END,
           n.last
    FROM (SELECT s.name, min(s.version_no) AS first, max(s.version_no) AS last
          FROM sluice.schemas s WHERE s.tenant_id = tenant GROUP BY s.name) n
$$;

-- ── Views ───────────────────────────────────────────────────────────────────────────────────────────────────────
-- One column of a view: {"name", "type", "fixed": what stands for an absent value (JSON text), "allowed": an enum's values,
-- "places": [{"versions", "field", "type"}]}, where rows of these versions have it. The versions are asked first, in each column: a
-- condition on it may be evaluated for rows of other schemas, which have something else under that name.
CREATE FUNCTION sluice.sql_view_column(description jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind text := description ->> 'type';
    sql_type text := CASE kind WHEN 'integer' THEN 'bigint' WHEN 'number' THEN 'numeric' WHEN 'boolean' THEN 'boolean'
                               WHEN 'timestamp' THEN 'timestamptz' WHEN 'uuid' THEN 'uuid' WHEN 'ip' THEN 'inet'
                               WHEN 'string[]' THEN 'text[]' ELSE 'text' END;
    fixed jsonb := (description ->> 'fixed')::jsonb;
    fixed_text text := CASE WHEN fixed IS NULL THEN 'NULL' ELSE quote_literal(CASE WHEN kind = 'string[]'
                                                                                   THEN sluice.texts_of(fixed)::text ELSE fixed #>> '{}' END)
                       END || '::' || sql_type;
    allowed text := ARRAY(SELECT jsonb_array_elements_text(coalesce(description -> 'allowed', '[]')))::text;
    place jsonb;
    raw text;
    value text;
    branches text := '';
BEGIN
    FOR place IN SELECT p FROM jsonb_array_elements(description -> 'places') p LOOP
        raw := format('(e.fields ->> %L)', place ->> 'field');
        IF place ->> 'field' IS NULL THEN
            value := fixed_text;
        ELSIF place ->> 'type' = kind THEN
            value := CASE kind WHEN 'string[]' THEN format('sluice.texts_of(e.fields -> %L)', place ->> 'field')
                               ELSE format('%s::%s', raw, sql_type) END;
            value := CASE WHEN fixed IS NULL THEN value ELSE format('coalesce(%s, %s)', value, fixed_text) END;
        ELSE
            value := CASE
                WHEN place ->> 'type' = 'string[]' THEN 'NULL'
                WHEN kind = 'string' THEN raw
                WHEN kind = 'enum' THEN CASE WHEN allowed = '{}' THEN raw
                                             ELSE format('CASE WHEN %1$s = ANY (%2$L::text[]) THEN %1$s END', raw, allowed) END
                WHEN kind = 'string[]' THEN format('ARRAY[%s]', raw)
                WHEN kind = 'boolean' THEN format('CASE %s WHEN ''true'' THEN true WHEN ''false'' THEN false END', raw)
                WHEN kind = 'number' THEN format('sluice.number_of(%s)', raw)
                WHEN kind = 'integer' THEN format('sluice.integer_of(%s)', raw)
                WHEN kind = 'timestamp' THEN format('sluice.time_of(%s)', raw)
                WHEN kind = 'uuid' THEN format('sluice.uuid_of(%s)', raw)
                WHEN kind = 'ip' THEN format('sluice.ip_of(%s)', raw)
                ELSE 'NULL' END;
            value := format('CASE WHEN %s IS NULL THEN %s ELSE %s END', raw, fixed_text, value);
        END IF;
        branches := branches || format(' WHEN e.version_no = ANY (%L::int[]) THEN %s',
                                       ARRAY(SELECT v::int FROM jsonb_array_elements_text(place -> 'versions') v)::text, value);
    END LOOP;
    RETURN format(CASE branches WHEN '' THEN '%2$s AS %3$I' ELSE '(CASE%1$s END)::%4$s AS %3$I' END,
                  branches, 'NULL::' || sql_type, description ->> 'name', sql_type);
END
$$;

-- Whether a tenant's analysts may use SQL.
CREATE FUNCTION sluice.has_sql_access(tenant int) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM sluice.sql_access a JOIN pg_namespace n ON n.nspname = a.schema_name WHERE a.tenant_id = tenant)
$$;

-- Puts the view of a schema: {"numbers": its versions, "names": what they are called, "columns"}. It takes a description and no SQL, so
-- that the API can be let do it: it can make a view of a tenant wrong, and never one that shows another's rows.
-- NULL when it is done, and when there is nothing to do. Otherwise the SQLSTATE of what was in the way (a query that reads the view for
-- longer than two seconds, somebody else's view upon it): the view is then as it was, and whoever publishes a version goes on.
-- Made anew and not replaced, since a replaced view cannot lose a column; the login's grant is made with it.
CREATE FUNCTION sluice.put_sql_view(tenant int, of_schema text, description jsonb) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
    access sluice.sql_access;
    view_name text;
    numbers int[] := ARRAY(SELECT n::int FROM jsonb_array_elements_text(description -> 'numbers') n);
    names text[] := ARRAY(SELECT format('%s %s', of_schema, n) FROM jsonb_array_elements_text(description -> 'names') n);
    columns text;
BEGIN
    SELECT a.* INTO access FROM sluice.sql_access a JOIN pg_namespace n ON n.nspname = a.schema_name WHERE a.tenant_id = tenant;
    SELECT v.view_name INTO view_name FROM sluice.sql_view_names(tenant) v WHERE v.schema_name = of_schema;
    IF access IS NULL OR view_name IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(string_agg(', ' || sluice.sql_view_column(c), '' ORDER BY place), '') INTO columns
    FROM jsonb_array_elements(description -> 'columns') WITH ORDINALITY AS d (c, place);
    EXECUTE format('DROP VIEW IF EXISTS %I.%I', access.schema_name, view_name);
    EXECUTE format('CREATE VIEW %1$I.%2$I WITH (security_barrier = true) AS '
                   'SELECT e.occurred_at, e.received_at, e.id, s.slug AS source, (%3$L::text[])[array_position(%4$L::int[], e.version_no)] '
                   'AS schema, e.type, e.actor, e.machine%5$s, e.extra FROM sluice.events e '
                   'LEFT JOIN sluice.sources s ON s.tenant_id = %6$s AND s.source_id = e.source_id '
                   'WHERE e.tenant_id = %6$s AND e.version_no = ANY (%4$L::int[])',
                   access.schema_name, view_name, names::text, numbers::text, columns, tenant);
    EXECUTE format('COMMENT ON VIEW %I.%I IS %L', access.schema_name, view_name,
                   format('%s, read as version %s', of_schema, (SELECT max(n) FROM unnest(numbers) n)));
    EXECUTE format('GRANT SELECT ON %I.%I TO %I', access.schema_name, view_name, access.login);
    EXECUTE format('ALTER VIEW %I.%I OWNER TO sluice_analyst', access.schema_name, view_name);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;

-- The views that there are to be, and whether each is as its schema's newest version has it.
CREATE FUNCTION sluice.sql_views() RETURNS TABLE (tenant_id int, sql_schema text, view_name text, schema_name text, is_current boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT a.tenant_id, a.schema_name, v.view_name, v.schema_name,
           coalesce(obj_description(c.oid, 'pg_class') = format('%s, read as version %s', v.schema_name, v.newest), false)
    FROM sluice.sql_access a CROSS JOIN LATERAL sluice.sql_view_names(a.tenant_id) v
    LEFT JOIN pg_namespace n ON n.nspname = a.schema_name
    LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = v.view_name AND c.relkind = 'v'
$$;

-- ── Opening and closing ─────────────────────────────────────────────────────────────────────────────────────────
-- What is the owner's to do once the login and the schema, which belongs to the owner, are there.
CREATE FUNCTION sluice.open_sql_access(tenant int, login_name text, connection_limit int, patience interval, is_rotated boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name text := sluice.sql_schema_name(tenant);
BEGIN
    INSERT INTO sluice.sql_access AS a (tenant_id, login, schema_name, connections, timeout)
    VALUES (tenant, login_name, name, connection_limit, patience)
    ON CONFLICT (tenant_id) DO UPDATE
    SET connections = excluded.connections, timeout = excluded.timeout,
        rotated_at = CASE WHEN is_rotated THEN now() ELSE a.rotated_at END;
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO sluice_analyst', name);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', name, login_name);
END
$$;

-- The views and their schema, with whatever else was made upon them.
CREATE FUNCTION sluice.close_sql_access(tenant int) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
SET client_min_messages = 'warning'
AS $$
DECLARE
    name text;
BEGIN
    DELETE FROM sluice.sql_access a WHERE a.tenant_id = tenant RETURNING a.schema_name INTO name;
    IF EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = name AND pg_get_userbyid(n.nspowner) = 'sluice_owner') THEN
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END IF;
END
$$;

-- Takes from PUBLIC, and so from a login that has no grants, what PostgreSQL gives everybody in a database: temporary tables and
-- functions, large objects (all of which fill a disk), and advisory locks, which Sluice itself goes by: who holds one stops the months.
-- What Sluice needs of it, its roles are given. Called by who may: a superuser, in part the database's owner. What is still open to a login.
CREATE FUNCTION sluice.close_public_rights(to_login text) RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = 'error'
AS $$
DECLARE
    f record;
    still_open text[] := '{}';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('sluice.sql_access'));
    IF has_database_privilege(to_login, current_database(), 'TEMPORARY') THEN
        BEGIN
            EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO sluice_owner', current_database());
            EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END IF;
    IF to_regnamespace('public') IS NOT NULL AND has_schema_privilege(to_login, 'public', 'CREATE') THEN
        BEGIN
            REVOKE CREATE ON SCHEMA public FROM PUBLIC;
        EXCEPTION WHEN insufficient_privilege THEN
            NULL;
        END;
    END IF;
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        FOR f IN SELECT p.oid::regprocedure AS signature, p.proname ~ 'advisory' AS is_lock FROM pg_proc p
                 WHERE p.pronamespace = 'pg_catalog'::regnamespace
                   AND (p.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea') OR p.proname ~ '^pg_(try_)?advisory_(xact_)?lock')
                   AND has_function_privilege(to_login, p.oid, 'EXECUTE') LOOP
            IF f.is_lock THEN
                EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO sluice_owner, sluice_api, sluice_writer, sluice_reader', f.signature);
            END IF;
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f.signature);
        END LOOP;
    END IF;
    IF has_database_privilege(to_login, current_database(), 'TEMPORARY') THEN
        still_open := still_open || 'temporary tables'::text;
    END IF;
    IF to_regnamespace('public') IS NOT NULL AND has_schema_privilege(to_login, 'public', 'CREATE') THEN
        still_open := still_open || 'tables in the schema public'::text;
    END IF;
    IF has_function_privilege(to_login, 'pg_catalog.lo_from_bytea(oid, bytea)', 'EXECUTE') THEN
        still_open := still_open || 'large objects'::text;
    END IF;
    IF has_function_privilege(to_login, 'pg_catalog.pg_advisory_lock(bigint)', 'EXECUTE') THEN
        still_open := still_open || 'advisory locks'::text;
    END IF;
    RETURN still_open;
END
$$;

-- ── What doctor looks at ────────────────────────────────────────────────────────────────────────────────────────
-- As check_isolation(), for the logins and their views: they belong to no manifest, for there are as many as tenants want. Catalogs, and
-- the short tables that say what there is to be.
CREATE FUNCTION sluice.check_sql_access() RETURNS TABLE (severity text, object text, finding text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH logins AS (
        SELECT a.tenant_id, a.login, a.schema_name, t.slug, r.oid AS role, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb,
               r.rolreplication, r.rolconnlimit, n.oid AS namespace, n.nspowner, n.nspacl
        FROM sluice.sql_access a JOIN sluice.tenants t USING (tenant_id)
        LEFT JOIN pg_roles r ON r.rolname = a.login LEFT JOIN pg_namespace n ON n.nspname = a.schema_name
    ), relations AS (
        SELECT l.login, l.role, l.schema_name, c.oid, c.relname, c.relkind, c.relowner, c.relacl,
               coalesce(c.reloptions && ARRAY['security_barrier=true', 'security_barrier=on'], false) AS is_barrier
        FROM logins l JOIN pg_class c ON c.relnamespace = l.namespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    )
    SELECT 'missing', l.login, format('there is no such role: sluice tenant sql-access %s --rotate makes it', l.slug)
    FROM logins l WHERE l.role IS NULL
    UNION ALL
    SELECT 'missing', l.schema_name, format('there is no such schema: sluice tenant sql-access %s makes it', l.slug)
    FROM logins l WHERE l.namespace IS NULL
    UNION ALL
    SELECT 'missing', format('%s.%s', v.sql_schema, v.view_name),
           format('is not there as the newest version has it: sluice tenant sql-access %s puts it', l.slug)
    FROM sluice.sql_views() v JOIN logins l USING (tenant_id) WHERE l.namespace IS NOT NULL AND NOT v.is_current
    UNION ALL
    SELECT 'extra', l.login, 'has ' || right_name
    FROM logins l, LATERAL (VALUES ('SUPERUSER', l.rolsuper), ('BYPASSRLS', l.rolbypassrls), ('CREATEROLE', l.rolcreaterole),
                                   ('CREATEDB', l.rolcreatedb), ('REPLICATION', l.rolreplication),
                                   ('no connection limit', l.rolconnlimit < 0)) r (right_name, is_so)
    WHERE is_so
    UNION ALL
    SELECT 'extra', l.login, 'is a member of ' || pg_get_userbyid(m.roleid)
    FROM logins l JOIN pg_auth_members m ON m.member = l.role
    UNION ALL
    -- Rights and possessions in all databases of the cluster; in its own schema they are looked at below.
    SELECT DISTINCT 'extra', l.login,
           CASE d.deptype WHEN 'o' THEN 'owns ' WHEN 'a' THEN 'has rights on ' ELSE 'is named by ' END
           || CASE WHEN d.dbid IN (0, b.oid) THEN pg_describe_object(d.classid, d.objid, d.objsubid)
                   ELSE format('something in the database %s', (SELECT o.datname FROM pg_database o WHERE o.oid = d.dbid)) END
    FROM logins l JOIN pg_database b ON b.datname = current_database()
    JOIN pg_shdepend d ON d.refclassid = 'pg_authid'::regclass AND d.refobjid = l.role
    WHERE NOT (d.deptype = 'a' AND d.dbid = 0 AND d.classid = 'pg_database'::regclass AND d.objid = b.oid)
      AND NOT (d.deptype = 'a' AND d.dbid = b.oid AND d.classid = 'pg_namespace'::regclass AND d.objid = l.namespace)
      AND NOT (d.deptype = 'a' AND d.dbid = b.oid AND d.classid = 'pg_class'::regclass
               AND EXISTS (SELECT FROM relations r WHERE r.oid = d.objid AND r.role = l.role))
    UNION ALL
    SELECT 'extra', l.login, format('may %s in the database', a.privilege_type)
    FROM logins l JOIN pg_database b ON b.datname = current_database(), aclexplode(b.datacl) a
    WHERE a.grantee = l.role AND a.privilege_type <> 'CONNECT'
    UNION ALL
    SELECT 'extra', l.schema_name, 'belongs to ' || pg_get_userbyid(l.nspowner) || ' instead of sluice_owner'
    FROM logins l WHERE pg_get_userbyid(l.nspowner) <> 'sluice_owner'
    UNION ALL
    SELECT 'extra', l.schema_name,
           format('has one more grant: %s TO %s', a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END)
    FROM logins l, aclexplode(l.nspacl) a
    WHERE a.grantee <> l.nspowner AND NOT (a.grantee <> 0 AND pg_get_userbyid(a.grantee) = 'sluice_analyst')
      AND NOT (a.grantee = coalesce(l.role, 0) AND a.privilege_type = 'USAGE' AND NOT a.is_grantable AND a.grantee <> 0)
    UNION ALL
    SELECT 'extra', format('%s.%s', r.schema_name, r.relname), 'is no view of sluice_analyst''s with a security barrier'
    FROM relations r WHERE r.relkind <> 'v' OR NOT r.is_barrier OR pg_get_userbyid(r.relowner) <> 'sluice_analyst'
    UNION ALL
    SELECT 'extra', format('%s.%s', r.schema_name, r.relname),
           format('has one more grant: %s TO %s', a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END)
    FROM relations r, aclexplode(r.relacl) a
    WHERE a.grantee <> r.relowner
      AND NOT (a.grantee = coalesce(r.role, 0) AND a.grantee <> 0 AND a.privilege_type = 'SELECT' AND NOT a.is_grantable)
$$;
GRANT EXECUTE ON FUNCTION sluice.has_sql_access(int), sluice.put_sql_view(int, text, jsonb), sluice.check_sql_access() TO sluice_api;

-- ── The end of a tenant, and copies of one ──────────────────────────────────────────────────────────────────────
-- As before, without sql_access: a copy of a tenant has no login and no views, so its line says nothing there; deleted, it goes with the
-- tenant's own row.
CREATE OR REPLACE FUNCTION sluice.tenant_tables() RETURNS TABLE (name text, depth int)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE tables AS (
        SELECT c.oid, c.relname::text AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'sluice'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname NOT IN ('audit_log', 'sql_access')
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

-- ── The manifest ────────────────────────────────────────────────────────────────────────────────────────────────
INSERT INTO sluice.manifest (object, kind, expected) VALUES
    ('sluice_analyst', 'role', 'application'), ('sluice_owner', 'member', 'sluice_analyst'),
    ('sql_access', 'table', 'guarded'), ('sql_access', 'policy', 'owner_all FOR ALL TO sluice_owner USING (true) WITH CHECK (true)'),
    ('sql_access', 'grant', 'SELECT TO sluice_analyst'),
    ('has_sql_access(integer)', 'grant', 'EXECUTE TO sluice_api'),
    ('put_sql_view(integer, text, jsonb)', 'grant', 'EXECUTE TO sluice_api'),
    ('check_sql_access()', 'grant', 'EXECUTE TO sluice_api');
INSERT INTO sluice.manifest (object, kind, expected)
SELECT name, 'grant', 'EXECUTE TO PUBLIC'
FROM unnest(ARRAY['number_of(text)', 'integer_of(text)', 'uuid_of(text)', 'texts_of(jsonb)', 'time_of(text)', 'ip_of(text)']) name;
INSERT INTO sluice.manifest (object, kind, expected)
SELECT c.object, 'grant', format('SELECT (%s) TO sluice_analyst', c.name)
FROM (SELECT 'tenants' AS object, unnest(ARRAY['tenant_id', 'retention_days', 'suspended_at', 'deleting_at']) AS name
      UNION ALL
      SELECT 'sources', unnest(ARRAY['tenant_id', 'source_id', 'slug'])
      UNION ALL
      SELECT 'events', unnest(ARRAY['tenant_id', 'occurred_at', 'id', 'received_at', 'source_id', 'version_no', 'type', 'actor', 'machine',
                                    'fields', 'extra'])) c;

-- As check_isolation() spells a policy, which it does with this search path.
SET LOCAL search_path = pg_catalog, pg_temp;
INSERT INTO sluice.manifest (object, kind, expected)
SELECT c.relname, 'policy',
       format('%s%s FOR SELECT TO sluice_analyst USING (%s)', p.polname, CASE WHEN p.polpermissive THEN '' ELSE ' AS RESTRICTIVE' END,
              pg_get_expr(p.polqual, p.polrelid))
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE p.polname LIKE 'analyst\_%';
RESET search_path;
