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
    package internal(set) var limits = TenantLimits.none
    /// Another key has taken this one's place: who still uses it is counted.
    package internal(set) var isSuperseded = false
    /// Whom the connection's client certificate names, if it has one that is this tenant's: the machine of records that name none.
    package internal(set) var machine: String?

    /// On a path of hooks its own source tells what kind of sender it is; else it is the SAP client, which takes any answer for success.
    package var tellsHookProfile: Bool { source != nil && bearer != .openPath }

    /// Nil for a token and a certificate.
    package var keyID: KeyID? {
        if case .key(let id, _) = bearer { id } else { nil }
    }
}

/// What a grant was given for.
package enum Bearer: Sendable, Hashable {
    case key(KeyID, name: String)
    /// The subject is what the token says; the issuer answers for it.
    case token(issuer: IssuerID, subject: String?)
    /// SHA-256 of the authority's certificate, in hexadecimal, and the sender's serial number under it.
    case certificate(authority: String, serialNumber: String)
    /// Nobody: the operator opened the path to the networks that such requests come from.
    case openPath
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
    /// Another key has taken its place.
    package var isSuperseded: Bool
    /// The tenant's.
    package var limits: TenantLimits

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
        revokedAt: Timestamp?,
        isSuperseded: Bool = false,
        limits: TenantLimits = .none
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
        self.isSuperseded = isSuperseded
        self.limits = limits
    }
}

/// Where keys are looked up.
package protocol KeyLookup: Sendable {
    /// Nil when there is no such key; throws when that cannot be known now.
    ///
    /// - Parameter isSuspect: asked for by somebody who fails too often.
    func findKey(_ id: KeyID, isSuspect: Bool) async throws -> KeyRecord?

    /// What is known without a wait: nil when `findKey` must be asked.
    func knownKey(_ id: KeyID) -> KnownKey?

    /// A key brought from PrivLog, by its digest; nil when there is none, throws when that cannot be known now.
    func findLegacyKey(_ digest: [UInt8]) async throws -> LegacyKeyRecord?
}

/// An answer from memory.
package enum KnownKey: Sendable {
    case found(KeyRecord)
    case absent
}

extension KeyLookup {
    package func knownKey(_ id: KeyID) -> KnownKey? { nil }
    package func findLegacyKey(_ digest: [UInt8]) async throws -> LegacyKeyRecord? { nil }
}
