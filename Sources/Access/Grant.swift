package import EventCore

/// Who a request is, once its credential has been checked.
package struct Grant: Sendable {
    package let tenant: TenantID
    package let tenantSlug: String
    /// Older events than this are invisible to this tenant.
    package let retentionDays: Int
    package let scopes: Set<Scope>
    /// The one source this credential may write to, if it is bound to one.
    package let source: SourceID?
    package let bearer: Bearer
}

/// What a grant was given for.
package enum Bearer: Sendable, Hashable {
    case key(KeyID, name: String)
    /// The subject is what the token says; the issuer answers for it.
    case token(issuer: IssuerID, subject: String?)
}

/// What is stored of a key.
package struct KeyRecord: Sendable {
    package var tenant: TenantID
    package var tenantSlug: String
    package var retentionDays: Int
    package var isSuspended: Bool
    package var kind: KeyKind
    /// SHA-256 of the secret.
    package var digest: [UInt8]
    package var scopes: Set<Scope>
    package var source: SourceID?
    package var name: String
    package var expiresAt: Timestamp?
    package var revokedAt: Timestamp?

    package init(
        tenant: TenantID,
        tenantSlug: String,
        retentionDays: Int,
        isSuspended: Bool,
        kind: KeyKind,
        digest: [UInt8],
        scopes: Set<Scope>,
        source: SourceID?,
        name: String,
        expiresAt: Timestamp?,
        revokedAt: Timestamp?
    ) {
        self.tenant = tenant
        self.tenantSlug = tenantSlug
        self.retentionDays = retentionDays
        self.isSuspended = isSuspended
        self.kind = kind
        self.digest = digest
        self.scopes = scopes
        self.source = source
        self.name = name
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
    }
}

/// Where keys are looked up.
package protocol KeyLookup: Sendable {
    /// Nil when there is no such key; throws when that cannot be known now.
    func findKey(_ id: KeyID) async throws -> KeyRecord?
    /// What `findKey` would give now, where that is known without asking; nil says nothing.
    func knownKey(_ id: KeyID) -> KeyRecord?
}

extension KeyLookup {
    package func knownKey(_ id: KeyID) -> KeyRecord? { nil }
}
