-- How fast autovacuum goes about a month. At PostgreSQL's own pace it writes 5,000 pages a second, each of them into the log too when a checkpoint has been
-- since: while that lasts, one commit in a hundred takes twice as long. Most of it only marks the pages of what was inserted, which is in no hurry: a tenth of
-- that pace is enough. Additive: a binary that knows nothing of it runs beside it.

SET LOCAL ROLE sluice_owner;

-- As before, and vacuumed slowly.
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
    EXECUTE format('CREATE TABLE sluice.%I (LIKE sluice.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (autovacuum_vacuum_cost_delay = 20)', name, parent);
    EXECUTE format('ALTER TABLE sluice.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    PERFORM sluice.sample_lightly(name);
    EXECUTE format('ALTER TABLE sluice.%I ATTACH PARTITION sluice.%I FOR VALUES FROM (%L) TO (%L)', parent, name,
                   to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
                   to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
    RETURN true;
END
$$;

-- Also those that are not attached at the moment, and may be again.
DO $$
DECLARE
    month text;
BEGIN
    FOR month IN SELECT p.name FROM sluice.partitions() p LOOP
        EXECUTE format('ALTER TABLE sluice.%I SET (autovacuum_vacuum_cost_delay = 20)', month);
    END LOOP;
END
$$;
