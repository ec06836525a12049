-- What PrivLog's routes ask before, or without, a tenant.
-- Additive: a binary that knows only the migrations before runs beside it.

SET LOCAL ROLE sluice_owner;

-- The source that an operator opened to senders without a credential: its settings name it by slugs.
CREATE FUNCTION sluice.find_source(wanted_tenant text, wanted_source text)
RETURNS TABLE (tenant_id int, tenant_slug text, retention_days int, suspended boolean, source_id int, limits bigint[])
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT t.tenant_id, t.slug, t.retention_days, t.suspended_at IS NOT NULL, s.source_id,
           sluice.limit_values(t.limits)
    FROM sluice.tenants t JOIN sluice.sources s USING (tenant_id)
    WHERE t.slug = wanted_tenant AND s.slug = wanted_source
$$;

-- Whether there is any event at all, for GET /health: a yes or a no, of nobody in particular.
CREATE FUNCTION sluice.has_events() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (SELECT FROM sluice.events) $$;

GRANT EXECUTE ON FUNCTION sluice.find_source(text, text), sluice.has_events() TO sluice_api;

INSERT INTO sluice.manifest (object, kind, expected) VALUES
    ('find_source(text, text)', 'grant', 'EXECUTE TO sluice_api'), ('has_events()', 'grant', 'EXECUTE TO sluice_api');
