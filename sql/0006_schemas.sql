-- Schemas in versions, and the replay of what they refused. Additive: a binary that knows nothing of it runs beside it.

SET LOCAL ROLE sluice_owner;

-- ── Versions ────────────────────────────────────────────────────────────────────────────────────────────────────
-- What is published stays as it is: every row says which version it was read with. Only a tenant's end takes its schemas with
-- it; whoever deletes a tenant says so with SET LOCAL sluice.erase_tenant.
CREATE FUNCTION sluice.refuse_schema_change() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('sluice.erase_tenant', true) = OLD.tenant_id::text THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a published schema version never changes' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER schemas_stay BEFORE UPDATE OR DELETE ON sluice.schemas
    FOR EACH ROW EXECUTE FUNCTION sluice.refuse_schema_change();
CREATE TRIGGER schemas_stay_all BEFORE TRUNCATE ON sluice.schemas
    FOR EACH STATEMENT EXECUTE FUNCTION sluice.refuse_schema_change();

-- Publishes a version, gives fields their slots, and makes a tenant's first schema that of its source `default`. Returns nothing,
-- and does nothing, when the name's newest version is no longer `after` (0: there is none).
-- A function of the owner's, so that the API can do it for a tenant's admin and can do no more.
CREATE FUNCTION sluice.publish_schema(tenant int, schema_name text, schema_version text, body text, digest bytea, after int,
                                      slot_fields text[], slot_types text[], slots smallint[], acting text, acting_address text, said jsonb)
RETURNS SETOF sluice.schemas
LANGUAGE plpgsql SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    published sluice.schemas;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('sluice.schemas'), tenant);
    IF coalesce((SELECT max(s.version_no) FROM sluice.schemas s WHERE s.tenant_id = tenant AND s.name = schema_name), 0) <> after THEN
        RETURN;
    END IF;
    INSERT INTO sluice.schemas (tenant_id, version_no, name, version, document, checksum)
    SELECT tenant, coalesce(max(s.version_no), 0) + 1, schema_name, schema_version, body, digest
    FROM sluice.schemas s WHERE s.tenant_id = tenant
    RETURNING * INTO published;
    INSERT INTO sluice.schema_slots (tenant_id, field, type, slot)
    SELECT tenant, u.field, u.type, u.slot FROM unnest(slot_fields, slot_types, slots) u (field, type, slot);
    IF published.version_no = 1 THEN
        UPDATE sluice.sources o SET schema_name = publish_schema.schema_name
        WHERE o.tenant_id = tenant AND o.slug = 'default' AND o.schema_name IS NULL;
    END IF;
    INSERT INTO sluice.audit_log (tenant_id, actor, address, action, target, detail)
    VALUES (tenant, acting, acting_address, 'schema.apply', schema_name || ' ' || schema_version, said);
    RETURN NEXT published;
END
$$;
GRANT EXECUTE ON FUNCTION sluice.publish_schema(int, text, text, text, bytea, int, text[], text[], smallint[], text, text, jsonb) TO sluice_api;

-- ── Replay ──────────────────────────────────────────────────────────────────────────────────────────────────────
-- What besides its bytes makes a refused record the event that it would have been.
ALTER TABLE sluice.quarantine
    ADD COLUMN profile text CHECK (profile IN ('privileges-webhook', 'fluent-bit', 'generic')),
    ADD COLUMN request_id text CHECK (octet_length(request_id) <= 512),
    ADD COLUMN source_slug text CHECK (octet_length(source_slug) <= 63);
COMMENT ON COLUMN sluice.quarantine.profile IS 'how its sender behaved; NULL: as its source says';
COMMENT ON COLUMN sluice.quarantine.request_id IS 'the id that its request gave it: Idempotency-Key or webhook-id, and its place';
COMMENT ON COLUMN sluice.quarantine.source_slug IS 'the source it was sent to, where there was none of that name';

-- As the function of nine arguments, with those three. One body from one place is one row.
CREATE FUNCTION sluice.keep_refused(tenants int[], ids uuid[], received timestamptz[], sources int[], versions int[],
                                    reasons text[], pointers text[], details text[], bodies bytea[],
                                    profiles text[], request_ids text[], slugs text[])
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
             FROM unnest(tenants, ids, received, sources, versions, reasons, pointers, details, bodies, profiles, request_ids, slugs)
                  WITH ORDINALITY
                  AS u (tenant_id, id, received_at, source_id, version_no, reason, pointer, detail, body, profile, request_id,
                        source_slug, place)
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
            SET count = q.count + 1, last_id = r.id, last_received_at = greatest(q.last_received_at, r.received_at),
                reason = r.reason, pointer = r.pointer, detail = r.detail, version_no = r.version_no
            WHERE q.tenant_id = r.tenant_id AND q.received_at = same.received_at AND q.id = same.id AND q.last_id IS DISTINCT FROM r.id;
        ELSIF used + size > allowed THEN
            kept := false;
        ELSE
            INSERT INTO sluice.quarantine (tenant_id, received_at, id, source_id, version_no, reason, pointer, detail, body,
                                           last_received_at, digest, last_id, profile, request_id, source_slug)
            VALUES (r.tenant_id, r.received_at, r.id, r.source_id, r.version_no, r.reason, r.pointer, r.detail, r.body,
                    r.received_at, r.digest, r.id, r.profile, r.request_id, r.source_slug);
            UPDATE sluice.quarantine_usage u SET bytes = u.bytes + size WHERE u.tenant_id = r.tenant_id;
            used := used + size;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION sluice.keep_refused(int[], uuid[], timestamptz[], int[], int[], text[], text[], text[], bytea[],
                                              text[], text[], text[]) TO sluice_writer;

-- Takes records out of a tenant's quarantine, for the transaction that stores them as events or that was told to forget them, and
-- frees their room. Those that it took.
CREATE FUNCTION sluice.release_refused(tenant int, received timestamptz[], ids uuid[])
RETURNS TABLE (received_at timestamptz, id uuid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM sluice.quarantine_usage u WHERE u.tenant_id = tenant FOR UPDATE;
    RETURN QUERY
    WITH gone AS (
        DELETE FROM sluice.quarantine q USING unnest(received, ids) AS w (received_at, id)
        WHERE q.tenant_id = tenant AND q.received_at = w.received_at AND q.id = w.id
        RETURNING q.received_at, q.id, octet_length(q.body) + 256 AS bytes
    ), freed AS (
        UPDATE sluice.quarantine_usage u SET bytes = greatest(0, u.bytes - (SELECT coalesce(sum(g.bytes), 0) FROM gone g))
        WHERE u.tenant_id = tenant
    )
    SELECT g.received_at, g.id FROM gone g;
END
$$;

-- Writes down why records are refused now, and by which version.
CREATE FUNCTION sluice.explain_refused(tenant int, received timestamptz[], ids uuid[], versions int[], reasons text[],
                                       pointers text[], details text[])
RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE sluice.quarantine q SET version_no = w.version_no, reason = w.reason, pointer = w.pointer, detail = w.detail
    FROM unnest(received, ids, versions, reasons, pointers, details) AS w (received_at, id, version_no, reason, pointer, detail)
    WHERE q.tenant_id = tenant AND q.received_at = w.received_at AND q.id = w.id
$$;
GRANT EXECUTE ON FUNCTION sluice.release_refused(int, timestamptz[], uuid[]) TO sluice_writer;
GRANT EXECUTE ON FUNCTION sluice.explain_refused(int, timestamptz[], uuid[], int[], text[], text[], text[]) TO sluice_writer;

-- A change of many rows of a tenant, by whoever acts for it.
CREATE FUNCTION sluice.record_act(tenant int, acting text, acting_address text, act text, on_what text, said jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO sluice.audit_log (tenant_id, actor, address, action, target, detail)
    VALUES (tenant, acting, acting_address, act, on_what, said)
$$;
GRANT EXECUTE ON FUNCTION sluice.record_act(int, text, text, text, text, jsonb) TO sluice_api;

-- ── Slots of rows that were stored before ───────────────────────────────────────────────────────────────────────
-- How far a schema's rows of earlier versions have the slots that its newest version gives them. Good for that version only.
CREATE TABLE sluice.slot_fills (
    tenant_id   int NOT NULL REFERENCES sluice.tenants,
    schema_name text NOT NULL,
    version_no  int NOT NULL,
    filled_to   timestamptz NOT NULL,
    done_at     timestamptz,
    PRIMARY KEY (tenant_id, schema_name),
    FOREIGN KEY (tenant_id, version_no) REFERENCES sluice.schemas (tenant_id, version_no)
);
COMMENT ON COLUMN sluice.slot_fills.version_no IS 'the version in whose shape the rows were filled in';
COMMENT ON COLUMN sluice.slot_fills.filled_to IS 'rows that occurred before are filled in';
COMMENT ON COLUMN sluice.slot_fills.done_at IS 'all are, and no more can come: reads rely on it';
ALTER TABLE sluice.slot_fills ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON sluice.slot_fills TO sluice_owner USING (true) WITH CHECK (true);
CREATE POLICY reader_own_tenant ON sluice.slot_fills FOR SELECT TO sluice_reader
    USING (tenant_id = nullif(current_setting('app.tenant', true), '')::int);
GRANT SELECT ON sluice.slot_fills TO sluice_reader;

-- ── What the database is compared with ──────────────────────────────────────────────────────────────────────────
INSERT INTO sluice.manifest (object, kind, expected) VALUES
    ('slot_fills', 'table', 'guarded'),
    ('slot_fills', 'policy', 'owner_all FOR ALL TO sluice_owner USING (true) WITH CHECK (true)'),
    ('slot_fills', 'grant', 'SELECT TO sluice_reader'),
    ('publish_schema(integer, text, text, text, bytea, integer, text[], text[], smallint[], text, text, jsonb)', 'grant',
     'EXECUTE TO sluice_api'),
    ('record_act(integer, text, text, text, text, jsonb)', 'grant', 'EXECUTE TO sluice_api'),
    ('release_refused(integer, timestamp with time zone[], uuid[])', 'grant', 'EXECUTE TO sluice_writer'),
    ('explain_refused(integer, timestamp with time zone[], uuid[], integer[], text[], text[], text[])', 'grant',
     'EXECUTE TO sluice_writer'),
    ('keep_refused(integer[], uuid[], timestamp with time zone[], integer[], integer[], text[], text[], text[], bytea[], text[], text[], text[])',
     'grant', 'EXECUTE TO sluice_writer'),
    ('schemas', 'trigger', 'schemas_stay'), ('schemas', 'trigger', 'schemas_stay_all');
INSERT INTO sluice.manifest (object, kind, expected)
SELECT 'slot_fills', 'policy', m.expected FROM sluice.manifest m
WHERE m.object = 'schema_slots' AND m.kind = 'policy' AND m.expected LIKE 'reader_own_tenant %';
