-- JWT issuers: where their keys are, and the look-up that the API may do before it knows a tenant.
-- Additive: a binary that knows only 0002 runs beside it.

SET LOCAL ROLE sluice_owner;

ALTER TABLE sluice.issuers
    ADD COLUMN secret bytea CHECK (octet_length(secret) >= 32),
    ADD COLUMN secret_kid text,
    ADD CONSTRAINT issuers_one_place_of_keys CHECK (num_nonnulls(jwks, jwks_url, secret) = 1),
    ADD CONSTRAINT issuers_secret_has_kid CHECK ((secret IS NULL) = (secret_kid IS NULL)),
    ADD CONSTRAINT issuers_secret_is_for_hs256_alone CHECK ((secret IS NOT NULL) = ('HS256' = ANY (algorithms))
                                                            AND (secret IS NULL OR cardinality(algorithms) = 1));
COMMENT ON COLUMN sluice.issuers.jwks IS 'public keys only';
COMMENT ON COLUMN sluice.issuers.secret IS 'HS256 only: read by find_issuer() and by nothing else';
COMMENT ON COLUMN sluice.issuers.max_lifetime IS 'from a token''s iat, or now, to its exp';

-- Every registration of one issuer: a token's audience picks among them.
CREATE FUNCTION sluice.find_issuer(wanted text)
RETURNS TABLE (tenant_id int, issuer_id int, iss text, aud text, algorithms text[], jwks text, jwks_url text, secret bytea,
               secret_kid text, scopes text[], on_expired text, max_lifetime bigint, tenant_slug text, retention_days int,
               suspended boolean)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT i.tenant_id, i.issuer_id, i.iss, i.aud, i.algorithms, i.jwks::text, i.jwks_url, i.secret, i.secret_kid, i.scopes,
           i.on_expired, extract(epoch FROM i.max_lifetime)::bigint, t.slug, t.retention_days, t.suspended_at IS NOT NULL
    FROM sluice.issuers i JOIN sluice.tenants t USING (tenant_id)
    WHERE i.iss = wanted
$$;

-- The issuers that are registered at all: made-up ones cost one look-up a second together, not one each.
CREATE FUNCTION sluice.issuer_names() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT DISTINCT iss FROM sluice.issuers $$;

GRANT EXECUTE ON FUNCTION sluice.find_issuer(text), sluice.issuer_names() TO sluice_api;
