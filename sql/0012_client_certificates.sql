-- Client certificates: which authority vouches for which tenant's senders.
-- Additive: a binary that knows only the migrations before runs beside it.

SET LOCAL ROLE sluice_owner;

CREATE TABLE sluice.client_authorities (
    tenant_id   int NOT NULL REFERENCES sluice.tenants,
    fingerprint text NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
    key_digest  bytea NOT NULL UNIQUE CHECK (octet_length(key_digest) = 32),
    certificate bytea NOT NULL CHECK (octet_length(certificate) BETWEEN 1 AND 16384),
    subject     text NOT NULL CHECK (octet_length(subject) <= 2048),
    expires_at  timestamptz NOT NULL,
    source_id   int,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, fingerprint),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sluice.sources
);
COMMENT ON COLUMN sluice.client_authorities.fingerprint IS 'SHA-256 of the certificate';
COMMENT ON COLUMN sluice.client_authorities.key_digest IS 'SHA-256 of its public key: one key vouches for one tenant, whatever certificate it has';
COMMENT ON COLUMN sluice.client_authorities.certificate IS 'DER, and public';
COMMENT ON COLUMN sluice.client_authorities.source_id IS 'the one source that its senders fill; NULL: as the request says';
ALTER TABLE sluice.client_authorities ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_all ON sluice.client_authorities TO sluice_owner USING (true) WITH CHECK (true);
CREATE TRIGGER access_changed AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE ON sluice.client_authorities
    FOR EACH STATEMENT EXECUTE FUNCTION sluice.bump_access_epoch();

-- All of them: a small set that every replica holds, so that a stranger's certificate costs no look-up.
CREATE FUNCTION sluice.client_authorities()
RETURNS TABLE (tenant_id int, tenant_slug text, retention_days int, suspended boolean, limits bigint[], source_id int, certificate bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT t.tenant_id, t.slug, t.retention_days, t.suspended_at IS NOT NULL, sluice.limit_values(t.limits), a.source_id, a.certificate
    FROM sluice.client_authorities a JOIN sluice.tenants t USING (tenant_id)
    ORDER BY a.tenant_id, a.fingerprint
$$;
GRANT EXECUTE ON FUNCTION sluice.client_authorities() TO sluice_api;

INSERT INTO sluice.manifest (object, kind, expected) VALUES
    ('client_authorities', 'table', 'guarded'),
    ('client_authorities', 'policy', 'owner_all FOR ALL TO sluice_owner USING (true) WITH CHECK (true)'),
    ('client_authorities()', 'grant', 'EXECUTE TO sluice_api');
