-- What PostgreSQL samples of a month. ANALYZE reads 300 rows per statistics target and sorts each column's: half a second of a processor at the default
-- of 100, again whenever a month has grown by a tenth, with ingest beside it. PostgreSQL has no statistics for expressions over a document's inside or a
-- refused body anyway, so these are not sampled; that also keeps their values out of pg_statistic. Additive: a binary that knows nothing of it runs beside it.

SET LOCAL ROLE sluice_owner;

-- Of a month, or of a parent. Ingest and reads do not wait for its lock, only VACUUM, ANALYZE and ALTER TABLE do. What was once sampled would stay until its month
-- goes, whatever is erased: so where ANALYZE or VACUUM has been, documents are sampled on, and each ANALYZE forgets what the one before found.
CREATE FUNCTION sluice.sample_lightly(relation text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE (SELECT format('ALTER TABLE ONLY sluice.%I ', relation)
                    || string_agg(format('ALTER %I SET STATISTICS %s', a.attname,
                                         CASE WHEN c.reltuples < 0 AND a.atttypid IN ('jsonb'::regtype, 'bytea'::regtype) THEN 0 ELSE 25 END), ', ')
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
             WHERE c.oid = format('sluice.%I', relation)::regclass AND a.attnum > 0 AND NOT a.attisdropped);
END
$$;

-- As before, but sampled lightly: LIKE does not copy that.
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
    PERFORM sluice.sample_lightly(name);
    EXECUTE format('ALTER TABLE sluice.%I ATTACH PARTITION sluice.%I FOR VALUES FROM (%L) TO (%L)', parent, name,
                   to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
                   to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
    RETURN true;
END
$$;

-- Also those that are not attached at the moment, and may be again.
SELECT sluice.sample_lightly(r.name) FROM (VALUES ('events'), ('quarantine')) r (name);
SELECT sluice.sample_lightly(p.name) FROM sluice.partitions() p;
