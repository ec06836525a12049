package import Access
package import EventCore
import Postgres

/// A sender that still used a key after another had taken its place.
package struct KeySender: Sendable {
    /// A machine or an address; `""`: those beyond the first 1,000, together.
    package let sender: String
    package let count: Int
    package let lastSeen: Timestamp
}

extension Administration {
    /// Makes a key like another one, which expires after the overlap. The new one lives as long as the old one was made for.
    ///
    /// A key brought from PrivLog gets one of Sluice's own in its place.
    ///
    /// - Parameter overlap: whole seconds; zero ends the old key now.
    package func rotateKey(tenant tenantSlug: String, id: KeyID, overlap: Duration) async throws -> (key: APIKey, old: KeySummary) {
        guard (Duration.zero...Duration.seconds(36_500 * 86_400)).contains(overlap) else {
            throw StoreError(.invalid, "an overlap is 0 seconds to 36,500 days")
        }
        return try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(tenantSlug, deadline: deadline)
            let old = try connection.findKey(id, of: tenant, deadline: deadline)
            if let successor = old.supersededBy {
                throw StoreError(.alreadyExists, "\(id) has been rotated already: \(successor) took its place")
            }
            let key = APIKey.generate(old.kind)
            let made = try connection.execute(
                RotateKey(tenant: tenant.id, old: id, new: key, overlapSeconds: overlap.components.seconds),
                deadline: deadline
            )
            guard !made.isEmpty else {
                throw StoreError(
                    .invalid,
                    "\(id) is revoked or expired: make a new key with sluice key create \(tenantSlug) --kind \(old.kind.rawValue)"
                )
            }
            _ = try connection.execute(
                RecordAct(
                    tenant: tenant.id,
                    actor: actor,
                    action: "key.rotate",
                    target: id.text,
                    detail: JSONB(#"{"new_key":"\#(key.id)","overlap_seconds":\#(overlap.components.seconds)}"#)
                ),
                deadline: deadline
            )
            return (key, try connection.findKey(id, of: tenant, deadline: deadline))
        }
    }

    /// A key, and who still used it after it was rotated; the most frequent senders first.
    package func key(tenant tenantSlug: String, id: KeyID) async throws -> (key: KeySummary, senders: [KeySender]) {
        try await act(.readOnly) { connection, deadline in
            let tenant = try connection.findTenant(tenantSlug, deadline: deadline)
            let key = try connection.findKey(id, of: tenant, deadline: deadline)
            return (key, try connection.execute(ListKeySenders(tenant: tenant.id, id: id), deadline: deadline))
        }
    }
}

extension Connection {
    func findKey(_ id: KeyID, of tenant: TenantRecord, deadline: ContinuousClock.Instant) throws -> KeySummary {
        guard let key = try execute(ListKeys(tenant: tenant.id, id: id), deadline: deadline).first else {
            throw StoreError(.notFound, "\(tenant.slug) has no key \(id); sluice key list \(tenant.slug) shows all")
        }
        return key
    }
}

/// One row when the old key was in force.
struct RotateKey: Statement {
    static let name = "rotate_key"
    static let sql = """
        WITH known AS (
            SELECT * FROM sluice.api_keys
            WHERE tenant_id = $1 AND key_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
        ), done AS (
            UPDATE sluice.api_keys k
            SET superseded_by = $3, expires_at = least(coalesce(k.expires_at, 'infinity'), now() + make_interval(secs => $5))
            FROM known WHERE k.key_id = known.key_id
        )
        INSERT INTO sluice.api_keys (key_id, tenant_id, kind, digest, scopes, source_id, name, expires_at)
        SELECT $3, tenant_id, kind, $4::bytea, scopes, source_id, name, now() + (expires_at - created_at) FROM known
        RETURNING true
        """

    let tenant: TenantID
    let old: KeyID
    let new: APIKey
    let overlapSeconds: Int64

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(old.text)
        bindings.append(new.id.text)
        bindings.append(Bytea(bytes: new.digest))
        bindings.append(Double(overlapSeconds))
    }

    static func decode(_ row: Row) throws(PostgresError) -> Bool {
        try row.decode(0)
    }
}

struct ListKeySenders: Statement {
    static let name = "list_key_senders"
    static let sql = """
        SELECT sender, count, last_seen FROM sluice.key_senders
        WHERE tenant_id = $1 AND key_id = $2 ORDER BY count DESC, sender LIMIT 1001
        """

    let tenant: TenantID
    let id: KeyID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(id.text)
    }

    static func decode(_ row: Row) throws(PostgresError) -> KeySender {
        KeySender(sender: try row.decode(0), count: Int(clamping: try row.decode(1, as: Int64.self)), lastSeen: try row.timestamp(2))
    }
}
