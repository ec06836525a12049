-- A hold that comes while rows are being deleted stops that too; and what erasing a subject counts.
-- Additive: a binary that knows only the migrations before runs beside it.

SET LOCAL ROLE sluice_owner;

-- ── Sweeps ──────────────────────────────────────────────────────────────────────────────────────────────────────
-- As before, but who is on hold is not read from a snapshot alone, which may be older than the hold: the tenant's row is locked, so a hold waits for
-- the sweep or the sweep sees it. Whoever is being changed at the moment is left to the next sweep.
CREATE OR REPLACE FUNCTION sluice.sweep_quarantine(batch int) RETURNS int
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
        PERFORM FROM sluice.tenants t WHERE t.tenant_id = owner AND t.held_at IS NULL FOR SHARE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
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

CREATE OR REPLACE FUNCTION sluice.sweep_remembered_ids(batch int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    swept int;
BEGIN
    WITH old AS MATERIALIZED (
        SELECT o.ctid AS place, o.tenant_id FROM sluice.remembered_ids o
        WHERE o.seen_at < now() - interval '7 days'
          AND o.tenant_id NOT IN (SELECT t.tenant_id FROM sluice.tenants t WHERE t.held_at IS NOT NULL)
        LIMIT batch FOR UPDATE SKIP LOCKED
    ), unheld AS MATERIALIZED (
        SELECT t.tenant_id FROM sluice.tenants t
        WHERE t.tenant_id IN (SELECT o.tenant_id FROM old o) AND t.held_at IS NULL FOR SHARE SKIP LOCKED
    )
    DELETE FROM sluice.remembered_ids r
    WHERE r.ctid = ANY (ARRAY(SELECT o.place FROM old o
                              WHERE o.tenant_id IN (SELECT u.tenant_id FROM unheld u)
                                 OR NOT EXISTS (SELECT FROM sluice.tenants t WHERE t.tenant_id = o.tenant_id)));
    GET DIAGNOSTICS swept = ROW_COUNT;
    RETURN swept;
END
$$;

-- ── The end of a subject's events ───────────────────────────────────────────────────────────────────────────────
-- As erase_events(), which stays for binaries that know no better, and says how many of the senders' ids went, too.
CREATE FUNCTION sluice.erase_subject(tenant int, of_actor text, of_machine text, since timestamptz, until timestamptz, batch int)
RETURNS TABLE (events int, remembered_ids int)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    IF of_actor IS NULL AND of_machine IS NULL THEN
        RAISE EXCEPTION 'a subject is an actor, a machine or both' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM FROM sluice.tenants t WHERE t.tenant_id = tenant AND t.held_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the tenant is on hold' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN QUERY
    WITH doomed AS (
        SELECT e.occurred_at, e.id FROM sluice.events e
        WHERE e.tenant_id = tenant AND e.occurred_at >= since AND e.occurred_at < until
          AND (of_actor IS NULL OR e.actor = of_actor) AND (of_machine IS NULL OR e.machine = of_machine)
        ORDER BY e.occurred_at, e.id LIMIT batch
    ), gone AS (
        DELETE FROM sluice.events e USING doomed d
        WHERE e.tenant_id = tenant AND e.occurred_at >= since AND e.occurred_at < until AND e.occurred_at = d.occurred_at AND e.id = d.id
        RETURNING e.id
    ), forgotten AS (
        DELETE FROM sluice.remembered_ids r USING gone g WHERE r.tenant_id = tenant AND r.id = g.id RETURNING r.id
    )
    SELECT (SELECT count(*) FROM gone)::int, (SELECT count(*) FROM forgotten)::int;
END
$$;

-- Forgets that a machine was seen using superseded keys. How many lines.
CREATE FUNCTION sluice.erase_sender(tenant int, machine text) RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
    erased int;
BEGIN
    PERFORM FROM sluice.tenants t WHERE t.tenant_id = tenant AND t.held_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the tenant is on hold' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    DELETE FROM sluice.key_senders s WHERE s.tenant_id = tenant AND s.sender = machine;
    GET DIAGNOSTICS erased = ROW_COUNT;
    RETURN erased;
END
$$;
