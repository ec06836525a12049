-- Bodies that repeat within one batch come as one, with how often: a thousand updates of one row in a transaction walk over each other.
-- Additive: a binary that knows only the migrations before runs beside it.

SET LOCAL ROLE sluice_owner;

-- As the function of twelve arguments. An id is known before the first try, so what is written again after a lost reply counts once.
CREATE FUNCTION sluice.keep_refused(tenants int[], ids uuid[], received timestamptz[], sources int[], versions int[],
                                    reasons text[], pointers text[], details text[], bodies bytea[],
                                    profiles text[], request_ids text[], slugs text[], times int[])
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
             FROM unnest(tenants, ids, received, sources, versions, reasons, pointers, details, bodies, profiles, request_ids, slugs, times)
                  WITH ORDINALITY
                  AS u (tenant_id, id, received_at, source_id, version_no, reason, pointer, detail, body, profile, request_id,
                        source_slug, times, place)
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
          AND q.source_slug IS NOT DISTINCT FROM r.source_slug AND (q.profile IS NULL OR q.profile IS NOT DISTINCT FROM r.profile)
        LIMIT 1;
        IF FOUND THEN
            UPDATE sluice.quarantine q
            SET count = q.count + r.times, last_id = r.id, last_received_at = greatest(q.last_received_at, r.received_at),
                reason = r.reason, pointer = r.pointer, detail = r.detail, version_no = r.version_no
            WHERE q.tenant_id = r.tenant_id AND q.received_at = same.received_at AND q.id = same.id AND q.last_id IS DISTINCT FROM r.id;
        ELSIF used + size > allowed THEN
            kept := false;
        ELSE
            INSERT INTO sluice.quarantine (tenant_id, received_at, id, source_id, version_no, reason, pointer, detail, body, count,
                                           last_received_at, digest, last_id, profile, request_id, source_slug)
            VALUES (r.tenant_id, r.received_at, r.id, r.source_id, r.version_no, r.reason, r.pointer, r.detail, r.body, r.times,
                    r.received_at, r.digest, r.id, r.profile, r.request_id, r.source_slug);
            UPDATE sluice.quarantine_usage u SET bytes = u.bytes + size WHERE u.tenant_id = r.tenant_id;
            used := used + size;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION sluice.keep_refused(int[], uuid[], timestamptz[], int[], int[], text[], text[], text[], bytea[],
                                              text[], text[], text[], int[]) TO sluice_writer;

CREATE OR REPLACE FUNCTION sluice.keep_refused(tenants int[], ids uuid[], received timestamptz[], sources int[], versions int[],
                                               reasons text[], pointers text[], details text[], bodies bytea[],
                                               profiles text[], request_ids text[], slugs text[])
RETURNS TABLE (number int, kept boolean)
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT k.number, k.kept
    FROM sluice.keep_refused(tenants, ids, received, sources, versions, reasons, pointers, details, bodies, profiles, request_ids, slugs,
                             array_fill(1, ARRAY[cardinality(tenants)])) k
$$;

INSERT INTO sluice.manifest (object, kind, expected) VALUES
    ('keep_refused(integer[], uuid[], timestamp with time zone[], integer[], integer[], text[], text[], text[], bytea[], text[], text[], text[], integer[])',
     'grant', 'EXECUTE TO sluice_writer');
