-- What operators watch: figures about the whole installation, and which sender has gone quiet.
-- Additive: a binary that knows only the migrations before runs beside it.

SET LOCAL ROLE sluice_owner;

-- When each source was last heard of, and how long it usually is between two times. The API tells it twice a minute for all sources
-- together; no ingest waits for it.
CREATE TABLE sluice.source_activity (
    tenant_id   int NOT NULL,
    source_id   int NOT NULL,
    since       timestamptz NOT NULL DEFAULT now(),
    last_at     timestamptz NOT NULL,
    usual_gap   float8,
    longest_gap float8,
    PRIMARY KEY (tenant_id, source_id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sluice.sources ON DELETE CASCADE
);
COMMENT ON COLUMN sluice.source_activity.usual_gap IS 'seconds between two requests, lately; NULL: there was only one time';
COMMENT ON COLUMN sluice.source_activity.longest_gap IS 'seconds without any, fading by half in two weeks: nights and weekends are in it';
ALTER TABLE sluice.source_activity ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON sluice.source_activity TO sluice_owner USING (true) WITH CHECK (true);

-- Longer without a word than it ever was lately, by half. In its first week a source may be silent for a day.
CREATE FUNCTION sluice.is_quiet(since timestamptz, last_at timestamptz, longest_gap float8) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT extract(epoch FROM now() - last_at)
           > greatest(900, 1.5 * longest_gap, CASE WHEN now() - since < interval '7 days' THEN 86400 END)
$$;

-- Any number of replicas: each tells what it heard since it last did. Sources in the order of their key, so that two never wait crosswise.
CREATE FUNCTION sluice.note_activity(tenants int[], sources int[], firsts timestamptz[], lasts timestamptz[], counts int[]) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO sluice.source_activity AS known (tenant_id, source_id, last_at, usual_gap, longest_gap)
    SELECT tenant_id, source_id, last_at, coalesce(0.9 * old_usual + 0.1 * mean, mean),
           greatest(gap, old_longest * power(0.5, least(elapsed, 8640000) / 1209600))
    FROM (
        SELECT n.tenant_id, n.source_id, n.last_at, o.usual_gap AS old_usual, o.longest_gap AS old_longest,
               greatest(0, extract(epoch FROM n.first_at - o.last_at))::float8 AS gap,
               greatest(0, extract(epoch FROM n.last_at - o.last_at))::float8 AS elapsed,
               greatest(0, extract(epoch FROM n.last_at - o.last_at))::float8 / greatest(n.count, 1) AS mean
        FROM unnest(tenants, sources, firsts, lasts, counts) n (tenant_id, source_id, first_at, last_at, count)
        JOIN sluice.sources s USING (tenant_id, source_id)
        LEFT JOIN sluice.source_activity o USING (tenant_id, source_id)
        ORDER BY n.tenant_id, n.source_id
    ) heard
    ON CONFLICT (tenant_id, source_id) DO UPDATE
    SET last_at = greatest(known.last_at, excluded.last_at), usual_gap = excluded.usual_gap, longest_gap = excluded.longest_gap
$$;

-- For the metrics. Names of tenants and sources, sums and times: nothing of an event. Bounded: the 200 largest quarantines and the rest
-- together, 500 sources, quiet ones first.
CREATE FUNCTION sluice.operations_figures() RETURNS TABLE (figure text, tenant text, source text, value float8)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
    SELECT 'months_ahead', NULL, NULL,
           coalesce(min(ahead) FILTER (WHERE NOT (sluice.has_partition('events', month) AND sluice.has_partition('quarantine', month))), 13) - 1
    FROM generate_series(1, 12) ahead, LATERAL (SELECT (date_trunc('month', now()) + make_interval(months => ahead))::date AS month) m
    UNION ALL
    SELECT 'quarantine_bytes', CASE WHEN place <= 200 THEN slug ELSE 'other' END, NULL, sum(bytes)
    FROM (SELECT t.slug, u.bytes, row_number() OVER (ORDER BY u.bytes DESC, t.slug) AS place
          FROM sluice.quarantine_usage u JOIN sluice.tenants t USING (tenant_id) WHERE u.bytes > 0) usage
    GROUP BY 2
    UNION ALL
    SELECT f.figure, heard.tenant, heard.source, f.value
    FROM (SELECT t.slug AS tenant, s.slug AS source, a.last_at, a.usual_gap, sluice.is_quiet(a.since, a.last_at, a.longest_gap) AS quiet
          FROM sluice.source_activity a JOIN sluice.sources s USING (tenant_id, source_id) JOIN sluice.tenants t USING (tenant_id)
          ORDER BY quiet DESC NULLS LAST, a.last_at DESC LIMIT 500) heard,
         LATERAL (VALUES ('source_last_request', extract(epoch FROM heard.last_at)::float8), ('source_usual_gap', heard.usual_gap),
                         ('source_quiet', CASE WHEN heard.quiet THEN 1 ELSE 0 END)) f (figure, value)
    WHERE f.value IS NOT NULL
$$;

GRANT EXECUTE ON FUNCTION sluice.note_activity(int[], int[], timestamptz[], timestamptz[], int[]), sluice.operations_figures() TO sluice_api;

INSERT INTO sluice.manifest (object, kind, expected) VALUES
    ('source_activity', 'table', 'guarded'),
    ('source_activity', 'policy', 'owner_all FOR ALL TO sluice_owner USING (true) WITH CHECK (true)'),
    ('note_activity(integer[], integer[], timestamp with time zone[], timestamp with time zone[], integer[])', 'grant', 'EXECUTE TO sluice_api'),
    ('operations_figures()', 'grant', 'EXECUTE TO sluice_api');
