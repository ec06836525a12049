-- What the writing engine needs: a bounded quarantine that holds one copy of a repeated body, and the sweeps.
-- Additive: a binary that knows only 0001 runs beside it.

SET LOCAL ROLE sluice_owner;

-- ── Quarantine ──────────────────────────────────────────────────────────────────────────────────────────────────
ALTER TABLE sluice.quarantine ADD COLUMN digest bytea CHECK (octet_length(digest) = 32), ADD COLUMN last_id uuid;
COMMENT ON COLUMN sluice.quarantine.digest IS 'SHA-256 of the body';
COMMENT ON COLUMN sluice.quarantine.last_id IS 'the id of the record that was counted last: sent again, it is not counted again';
CREATE INDEX quarantine_digest ON sluice.quarantine (tenant_id, digest);

-- How much of its quarantine a tenant uses. Its row is locked by whoever adds to or takes from that quarantine, so that two
-- records at once with one body make one row, and the bound holds.
CREATE TABLE sluice.quarantine_usage (
    tenant_id int PRIMARY KEY REFERENCES sluice.tenants,
    bytes     bigint NOT NULL DEFAULT 0 CHECK (bytes >= 0)
);
COMMENT ON COLUMN sluice.quarantine_usage.bytes IS 'of all bodies, and 256 for each row';
ALTER TABLE sluice.quarantine_usage ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON sluice.quarantine_usage TO sluice_owner USING (true) WITH CHECK (true);

INSERT INTO sluice.quarantine_usage (tenant_id, bytes)
SELECT tenant_id, sum(octet_length(body) + 256) FROM sluice.quarantine GROUP BY tenant_id;

-- Keeps refused records, or says that their tenant's quarantine is full (1 GiB, unless tenants.limits says otherwise under
-- quarantine_bytes). A body that the tenant's source has there already is counted, and its newest reason kept. Answers in any
-- order; `number` counts from 1. A record that was kept by an earlier try is not counted twice.
-- A function of the owner's, because the writer may not see bodies. Tenants are locked in the order of their numbers.
CREATE FUNCTION sluice.keep_refused(tenants int[], ids uuid[], received timestamptz[], sources int[], versions int[],
                                    reasons text[], pointers text[], details text[], bodies bytea[])
RETURNS TABLE (number int, kept boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    r record;
    locked int;
    used bigint;
    allowed bigint;
    size bigint;
    same record;
BEGIN
    FOR r IN SELECT u.*, sha256(u.body) AS digest
             FROM unnest(tenants, ids, received, sources, versions, reasons, pointers, details, bodies) WITH ORDINALITY
                  AS u (tenant_id, id, received_at, source_id, version_no, reason, pointer, detail, body, place)
             ORDER BY u.tenant_id, u.place LOOP
        IF locked IS DISTINCT FROM r.tenant_id THEN
            INSERT INTO sluice.quarantine_usage (tenant_id) VALUES (r.tenant_id) ON CONFLICT DO NOTHING;
            PERFORM FROM sluice.quarantine_usage u WHERE u.tenant_id = r.tenant_id FOR UPDATE;
            SELECT u.bytes, CASE WHEN t.limits ->> 'quarantine_bytes' ~ '^[0-9]{1,15}$'
                                 THEN (t.limits ->> 'quarantine_bytes')::bigint ELSE 1073741824 END INTO used, allowed
            FROM sluice.quarantine_usage u JOIN sluice.tenants t USING (tenant_id) WHERE u.tenant_id = r.tenant_id;
            locked := r.tenant_id;
        END IF;
        number := r.place;
        kept := true;
        size := octet_length(r.body) + 256;
        SELECT q.received_at, q.id, q.last_id INTO same FROM sluice.quarantine q
        WHERE q.tenant_id = r.tenant_id AND q.digest = r.digest AND q.source_id IS NOT DISTINCT FROM r.source_id
        LIMIT 1;
        IF FOUND THEN
            UPDATE sluice.quarantine q
            SET count = q.count + 1, last_id = r.id, last_received_at = greatest(q.last_received_at, r.received_at),
                reason = r.reason, pointer = r.pointer, detail = r.detail, version_no = r.version_no
            WHERE q.tenant_id = r.tenant_id AND q.received_at = same.received_at AND q.id = same.id AND q.last_id IS DISTINCT FROM r.id;
        ELSIF used + size > allowed THEN
            kept := false;
        ELSE
            INSERT INTO sluice.quarantine (tenant_id, received_at, id, source_id, version_no, reason, pointer, detail, body,
                                           last_received_at, digest, last_id)
            VALUES (r.tenant_id, r.received_at, r.id, r.source_id, r.version_no, r.reason, r.pointer, r.detail, r.body,
                    r.received_at, r.digest, r.id);
            UPDATE sluice.quarantine_usage u SET bytes = u.bytes + size WHERE u.tenant_id = r.tenant_id;
            used := used + size;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION sluice.keep_refused(int[], uuid[], timestamptz[], int[], int[], text[], text[], text[], bytea[])
    TO sluice_writer;

-- ── Sweeps ──────────────────────────────────────────────────────────────────────────────────────────────────────
-- Deletes up to `batch` quarantined records that came for the last time 30 days ago; tenants on hold keep theirs. How many.
CREATE FUNCTION sluice.sweep_quarantine(batch int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner int;
    swept int := 0;
    gone int;
    freed bigint;
    cutoff timestamptz := now() - interval '30 days';
BEGIN
    FOR owner IN SELECT u.tenant_id FROM sluice.quarantine_usage u JOIN sluice.tenants t USING (tenant_id)
                 WHERE t.held_at IS NULL AND u.bytes > 0 ORDER BY u.tenant_id LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM sluice.quarantine q
                                  WHERE q.tenant_id = owner AND q.received_at < cutoff AND q.last_received_at < cutoff);
        PERFORM FROM sluice.quarantine_usage u WHERE u.tenant_id = owner FOR UPDATE;
        WITH old AS (
            SELECT q.received_at, q.id FROM sluice.quarantine q
            WHERE q.tenant_id = owner AND q.received_at < cutoff AND q.last_received_at < cutoff LIMIT batch - swept
        ), deleted AS (
            DELETE FROM sluice.quarantine q USING old
            WHERE q.tenant_id = owner AND q.received_at = old.received_at AND q.id = old.id
            RETURNING octet_length(q.body) + 256 AS bytes
        )
        SELECT count(*), coalesce(sum(d.bytes), 0) INTO gone, freed FROM deleted d;
        UPDATE sluice.quarantine_usage u SET bytes = greatest(0, u.bytes - freed) WHERE u.tenant_id = owner;
        swept := swept + gone;
        EXIT WHEN swept >= batch;
    END LOOP;
    RETURN swept;
END
$$;

-- Forgets up to `batch` of the senders' ids that were first seen 7 days ago. How many.
CREATE FUNCTION sluice.sweep_remembered_ids(batch int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    swept int;
BEGIN
    DELETE FROM sluice.remembered_ids r
    WHERE r.ctid = ANY (ARRAY(SELECT o.ctid FROM sluice.remembered_ids o WHERE o.seen_at < now() - interval '7 days'
                              LIMIT batch FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS swept = ROW_COUNT;
    RETURN swept;
END
$$;
GRANT EXECUTE ON FUNCTION sluice.sweep_quarantine(int), sluice.sweep_remembered_ids(int) TO sluice_api;
