-- What keys and limits need: an epoch that says when something about access has changed, rotation and its meter, keys brought from
-- PrivLog, and the count of stored events a month.
-- Additive: a binary that knows only 0001 and 0002 runs beside it.

SET LOCAL ROLE sluice_owner;

-- ── The epoch ───────────────────────────────────────────────────────────────────────────────────────────────────
-- One row, one more with every committed change of what replicas keep in memory. It is a row and no sequence, because a sequence
-- is seen before the change is committed: a replica would look too early, see the old state and keep it. Acts wait for each
-- other here from their first change to their commit; they are an operator's, and short.
CREATE TABLE sluice.access_epoch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch    bigint NOT NULL
);
INSERT INTO sluice.access_epoch (epoch) VALUES (1);

CREATE FUNCTION sluice.bump_access_epoch() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE sluice.access_epoch SET epoch = epoch + 1;
    -- Without a payload, so that many changes in one transaction are one notification.
    PERFORM pg_notify('sluice_access', '');
    RETURN NULL;
END
$$;

-- Polled by every replica twice a second.
CREATE FUNCTION sluice.current_access_epoch() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT epoch FROM sluice.access_epoch $$;

-- ── Keys ────────────────────────────────────────────────────────────────────────────────────────────────────────
ALTER TABLE sluice.api_keys
    ADD COLUMN superseded_by text,
    ADD COLUMN is_legacy boolean NOT NULL DEFAULT false,
    ADD CHECK (NOT is_legacy OR kind = 'qry');
COMMENT ON COLUMN sluice.api_keys.superseded_by IS 'the key that took its place; who still uses this one is in key_senders';
COMMENT ON COLUMN sluice.api_keys.is_legacy IS 'brought from PrivLog: digest is SHA-256 of the whole key, key_id only its name here';
CREATE UNIQUE INDEX api_keys_legacy ON sluice.api_keys (digest) WHERE is_legacy;

-- Who still uses a superseded key: at most 1,000 senders each, the rest together as the sender ''.
-- Refers to the key alone: a look at the tenant's row here would wait for an operator's act that waits for the key's.
CREATE TABLE sluice.key_senders (
    tenant_id int NOT NULL,
    key_id    text NOT NULL REFERENCES sluice.api_keys ON DELETE CASCADE,
    sender    text NOT NULL CHECK (octet_length(sender) <= 512),
    count     bigint NOT NULL CHECK (count > 0),
    last_seen timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key_id, sender)
);
COMMENT ON COLUMN sluice.key_senders.sender IS 'the machine that the record names, else the address it came from';

CREATE TRIGGER access_changed AFTER INSERT OR DELETE OR TRUNCATE
    OR UPDATE OF tenant_id, kind, digest, scopes, source_id, name, expires_at, revoked_at, superseded_by, is_legacy
    ON sluice.api_keys FOR EACH STATEMENT EXECUTE FUNCTION sluice.bump_access_epoch();
CREATE TRIGGER access_changed AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON sluice.tenants
    FOR EACH STATEMENT EXECUTE FUNCTION sluice.bump_access_epoch();
CREATE TRIGGER access_changed AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON sluice.issuers
    FOR EACH STATEMENT EXECUTE FUNCTION sluice.bump_access_epoch();
CREATE TRIGGER access_changed AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON sluice.sources
    FOR EACH STATEMENT EXECUTE FUNCTION sluice.bump_access_epoch();
CREATE TRIGGER access_changed AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON sluice.schemas
    FOR EACH STATEMENT EXECUTE FUNCTION sluice.bump_access_epoch();
CREATE TRIGGER access_changed AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON sluice.schema_slots
    FOR EACH STATEMENT EXECUTE FUNCTION sluice.bump_access_epoch();

-- ── Limits ──────────────────────────────────────────────────────────────────────────────────────────────────────
COMMENT ON COLUMN sluice.tenants.limits IS
    'whole numbers: events_per_second, bytes_per_second, events_per_month, concurrent_requests, quarantine_bytes; absent: none (1 GiB)';

-- A tenant's limits in that order, NULL where there is none.
CREATE FUNCTION sluice.limit_values(limits jsonb) RETURNS bigint[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(CASE WHEN limits ->> name ~ '^[0-9]{1,15}$' THEN (limits ->> name)::bigint END ORDER BY place)
    FROM unnest(ARRAY['events_per_second', 'bytes_per_second', 'events_per_month', 'concurrent_requests', 'quarantine_bytes'])
         WITH ORDINALITY AS n (name, place)
$$;

-- Counted from the replicas' memories every few seconds; what came in, whenever it happened.
CREATE TABLE sluice.stored_events (
    tenant_id int NOT NULL REFERENCES sluice.tenants,
    month     date NOT NULL CHECK (month = date_trunc('month', month)),
    count     bigint NOT NULL CHECK (count >= 0),
    PRIMARY KEY (tenant_id, month)
);
COMMENT ON COLUMN sluice.stored_events.month IS 'UTC, of the time received';

-- Adds counts and says what they are now; a count of 0 only asks. Tenants in the order of their numbers, so that replicas never lock crosswise.
CREATE FUNCTION sluice.add_stored_events(tenants int[], months date[], counts bigint[])
RETURNS TABLE (tenant_id int, month date, stored bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH told AS (
        SELECT t.tenant_id, a.month, a.count
        FROM unnest(tenants, months, counts) AS a (tenant_id, month, count) JOIN sluice.tenants t USING (tenant_id)
    ), added AS (
        INSERT INTO sluice.stored_events AS s (tenant_id, month, count)
        SELECT t.tenant_id, t.month, t.count FROM told t WHERE t.count > 0 ORDER BY 1, 2
        ON CONFLICT (tenant_id, month) DO UPDATE SET count = s.count + excluded.count
        RETURNING s.tenant_id, s.month, s.count
    )
    SELECT * FROM added
    UNION ALL
    SELECT s.tenant_id, s.month, s.count FROM told t JOIN sluice.stored_events s USING (tenant_id, month) WHERE t.count = 0
$$;

-- ── What the API may ask and tell ───────────────────────────────────────────────────────────────────────────────
DROP FUNCTION sluice.find_key(text);
CREATE FUNCTION sluice.find_key(wanted text)
RETURNS TABLE (tenant_id int, kind text, digest bytea, scopes text[], source_id int, name text, expires_at timestamptz,
               revoked_at timestamptz, tenant_slug text, retention_days int, suspended boolean, superseded boolean, limits bigint[])
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT k.tenant_id, k.kind, k.digest, k.scopes, k.source_id, k.name, k.expires_at, k.revoked_at,
           t.slug, t.retention_days, t.suspended_at IS NOT NULL, k.superseded_by IS NOT NULL, sluice.limit_values(t.limits)
    FROM sluice.api_keys k JOIN sluice.tenants t USING (tenant_id)
    WHERE k.key_id = wanted AND NOT k.is_legacy
$$;

DROP FUNCTION sluice.find_issuer(text);
CREATE FUNCTION sluice.find_issuer(wanted text)
RETURNS TABLE (tenant_id int, issuer_id int, iss text, aud text, algorithms text[], jwks text, jwks_url text, secret bytea,
               secret_kid text, scopes text[], on_expired text, max_lifetime bigint, tenant_slug text, retention_days int,
               suspended boolean, limits bigint[])
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT i.tenant_id, i.issuer_id, i.iss, i.aud, i.algorithms, i.jwks::text, i.jwks_url, i.secret, i.secret_kid, i.scopes,
           i.on_expired, extract(epoch FROM i.max_lifetime)::bigint, t.slug, t.retention_days, t.suspended_at IS NOT NULL,
           sluice.limit_values(t.limits)
    FROM sluice.issuers i JOIN sluice.tenants t USING (tenant_id)
    WHERE i.iss = wanted
$$;
GRANT EXECUTE ON FUNCTION sluice.find_issuer(text) TO sluice_api;

-- All keys brought from PrivLog: a small set that every replica holds, so that an unknown one costs no look-up.
CREATE FUNCTION sluice.legacy_keys()
RETURNS TABLE (key_id text, tenant_id int, kind text, digest bytea, scopes text[], source_id int, name text, expires_at timestamptz,
               revoked_at timestamptz, tenant_slug text, retention_days int, suspended boolean, superseded boolean, limits bigint[])
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT k.key_id, k.tenant_id, k.kind, k.digest, k.scopes, k.source_id, k.name, k.expires_at, k.revoked_at,
           t.slug, t.retention_days, t.suspended_at IS NOT NULL, k.superseded_by IS NOT NULL, sluice.limit_values(t.limits)
    FROM sluice.api_keys k JOIN sluice.tenants t USING (tenant_id)
    WHERE k.is_legacy AND k.revoked_at IS NULL
    LIMIT 1000
$$;

-- When keys were used last; only moves forward. In the order of the ids, so that replicas never lock crosswise.
CREATE FUNCTION sluice.note_key_use(ids text[], used timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM sluice.api_keys k WHERE k.key_id = ANY (ids) ORDER BY k.key_id FOR NO KEY UPDATE;
    UPDATE sluice.api_keys k SET last_used_at = u.used
    FROM unnest(ids, used) AS u (key_id, used)
    WHERE k.key_id = u.key_id AND u.used > coalesce(k.last_used_at, '-infinity');
END
$$;

-- Who used superseded keys since the last call. A key's first 1,000 senders are told apart.
CREATE FUNCTION sluice.note_key_senders(ids text[], senders text[], counts bigint[], seen timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r record;
    room int;
    locked text;
BEGIN
    FOR r IN SELECT k.tenant_id, u.* FROM unnest(ids, senders, counts, seen) AS u (key_id, sender, count, last_seen)
             JOIN sluice.api_keys k USING (key_id) ORDER BY u.key_id, u.sender LOOP
        IF locked IS DISTINCT FROM r.key_id THEN
            -- Two replicas at once must not both fill the last place.
            PERFORM FROM sluice.api_keys k WHERE k.key_id = r.key_id FOR NO KEY UPDATE;
            SELECT 1000 - count(*) INTO room FROM sluice.key_senders s WHERE s.tenant_id = r.tenant_id AND s.key_id = r.key_id;
            locked := r.key_id;
        END IF;
        UPDATE sluice.key_senders s SET count = s.count + r.count, last_seen = greatest(s.last_seen, r.last_seen)
        WHERE s.tenant_id = r.tenant_id AND s.key_id = r.key_id AND s.sender = r.sender;
        CONTINUE WHEN FOUND;
        INSERT INTO sluice.key_senders AS s (tenant_id, key_id, sender, count, last_seen)
        VALUES (r.tenant_id, r.key_id, CASE WHEN room > 0 THEN r.sender ELSE '' END, r.count, r.last_seen)
        ON CONFLICT (tenant_id, key_id, sender)
        DO UPDATE SET count = s.count + excluded.count, last_seen = greatest(s.last_seen, excluded.last_seen);
        room := room - 1;
    END LOOP;
END
$$;

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['access_epoch', 'key_senders', 'stored_events'] LOOP
        EXECUTE format('ALTER TABLE sluice.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY owner_all ON sluice.%I TO sluice_owner USING (true) WITH CHECK (true)', t);
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION sluice.current_access_epoch(), sluice.find_key(text), sluice.legacy_keys(),
    sluice.note_key_use(text[], timestamptz[]), sluice.note_key_senders(text[], text[], bigint[], timestamptz[]),
    sluice.add_stored_events(int[], date[], bigint[]) TO sluice_api;
