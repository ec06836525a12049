package import Access
package import EventCore
import Postgres

/// A key as the operator sees it: everything but its secret.
package struct KeySummary: Sendable {
    package let id: KeyID
    package let kind: KeyKind
    package let name: String
    /// The slug of the one source it may write to.
    package let source: String?
    package let createdAt: Timestamp
    package let expiresAt: Timestamp?
    package let revokedAt: Timestamp?
    /// To within some minutes; nil: never.
    package let lastUsedAt: Timestamp?
    /// The key that took its place.
    package let supersededBy: KeyID?
    /// How many senders used it after that.
    package let senders: Int
    /// Brought from PrivLog.
    package let isLegacy: Bool
}

extension Administration {
    /// Makes a key; its text is in the result and nowhere else.
    package func createKey(
        tenant tenantSlug: String,
        kind: KeyKind,
        source sourceSlug: String? = nil,
        name: String = "",
        expiresAt: Timestamp? = nil
    ) async throws -> APIKey {
        guard name.unicodeScalars.count <= 200, !name.contains("\0") else {
            throw StoreError(.invalid, "a key's name has at most 200 characters")
        }
        let key = APIKey.generate(kind)
        try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(tenantSlug, deadline: deadline)
            let source = try sourceSlug.map { try connection.findSource($0, of: tenant, deadline: deadline) }
            _ = try connection.execute(
                InsertKey(tenant: tenant.id, key: key, source: source?.id, keyName: name, expiresAt: expiresAt),
                deadline: deadline
            )
            var changes = Changes()
            changes.note("kind", to: kind.rawValue)
            changes.note("scopes", to: kind.scopes.map(\.rawValue).sorted())
            changes.note("source", to: sourceSlug)
            changes.note("name", to: name)
            changes.note("expires_at", to: expiresAt)
            _ = try connection.execute(
                RecordAct(tenant: tenant.id, actor: actor, action: "key.create", target: key.id.text, detail: changes.json),
                deadline: deadline
            )
        }
        return key
    }

    /// Oldest first, revoked ones included.
    package func keys(tenant tenantSlug: String) async throws -> [KeySummary] {
        try await act(.readOnly) { connection, deadline in
            let tenant = try connection.findTenant(tenantSlug, deadline: deadline)
            return try connection.execute(ListKeys(tenant: tenant.id), deadline: deadline)
        }
    }

    /// Revokes for good; every replica refuses the key within two seconds. Doing it again changes nothing.
    package func revokeKey(tenant tenantSlug: String, id: KeyID) async throws {
        try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(tenantSlug, deadline: deadline)
            let revoked = try connection.execute(RevokeKey(tenant: tenant.id, id: id), deadline: deadline)
            guard let isNew = revoked.first else {
                throw StoreError(.notFound, "\(tenantSlug) has no key \(id); sluice key list \(tenantSlug) shows all")
            }
            guard isNew else { return }
            var changes = Changes()
            changes.note("revoked", from: false, to: true)
            _ = try connection.execute(
                RecordAct(tenant: tenant.id, actor: actor, action: "key.revoke", target: id.text, detail: changes.json),
                deadline: deadline
            )
        }
    }

    /// Whether this very key, secret and all, opens what it says.
    package func isInForce(_ key: APIKey, tenant tenantSlug: String) async throws -> Bool {
        try await act(.readOnly) { connection, deadline in
            guard let record = try connection.execute(FindKey(id: key.id), deadline: deadline).first else { return false }
            return record.tenantSlug == tenantSlug && record.digest == key.digest && record.kind == key.kind
                && record.revokedAt == nil && record.expiresAt == nil
        }
    }
}

struct InsertKey: Statement {
    static let name = "insert_key"
    static let sql = """
        INSERT INTO sluice.api_keys (key_id, tenant_id, kind, digest, scopes, source_id, name, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """

    let tenant: TenantID
    let key: APIKey
    let source: SourceID?
    let keyName: String
    let expiresAt: Timestamp?

    func bind(_ bindings: inout Bindings) {
        bindings.append(key.id.text)
        bindings.append(tenant.rawValue)
        bindings.append(key.kind.rawValue)
        bindings.append(Bytea(bytes: key.digest))
        bindings.append(key.kind.scopes.map(\.rawValue).sorted())
        bindings.append(source?.rawValue)
        bindings.append(keyName)
        bindings.append(expiresAt?.timestamptz)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

/// All keys of a tenant, or one.
struct ListKeys: Statement {
    static let name = "list_keys"
    static let sql = """
        SELECT k.key_id, k.kind, k.name, s.slug, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.superseded_by,
               (SELECT count(*) FROM sluice.key_senders u WHERE u.tenant_id = k.tenant_id AND u.key_id = k.key_id), k.is_legacy
        FROM sluice.api_keys k
        LEFT JOIN sluice.sources s ON s.tenant_id = k.tenant_id AND s.source_id = k.source_id
        WHERE k.tenant_id = $1 AND ($2::text IS NULL OR k.key_id = $2) ORDER BY k.created_at, k.key_id
        """

    let tenant: TenantID
    var id: KeyID?

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(id?.text)
    }

    static func decode(_ row: Row) throws(PostgresError) -> KeySummary {
        KeySummary(
            id: try row.keyID(0),
            kind: try row.decodeEnum(1),
            name: try row.decode(2),
            source: try row.decodeIfPresent(3),
            createdAt: try row.timestamp(4),
            expiresAt: try row.timestampIfPresent(5),
            revokedAt: try row.timestampIfPresent(6),
            lastUsedAt: try row.timestampIfPresent(7),
            supersededBy: try row.decodeIfPresent(8, as: String.self).flatMap { KeyID($0) },
            senders: Int(clamping: try row.decode(9, as: Int64.self)),
            isLegacy: try row.decode(10)
        )
    }
}

/// True when it was revoked now, false when it had been; no row when there is none.
struct RevokeKey: Statement {
    static let name = "revoke_key"
    static let sql = """
        WITH known AS (SELECT key_id, revoked_at FROM sluice.api_keys WHERE tenant_id = $1 AND key_id = $2),
             done AS (UPDATE sluice.api_keys SET revoked_at = now()
                      WHERE tenant_id = $1 AND key_id = $2 AND revoked_at IS NULL)
        SELECT revoked_at IS NULL FROM known
        """

    let tenant: TenantID
    let id: KeyID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(id.text)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Bool {
        try row.decode(0)
    }
}
