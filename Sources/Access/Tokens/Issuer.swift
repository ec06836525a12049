package import EventCore

package struct IssuerID: Hashable, Sendable, RawRepresentable, CustomStringConvertible {
    package let rawValue: Int32

    package init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    package var description: String { String(rawValue) }
}

/// What an HS256 issuer signs with, and we check with: the one kind of issuer whose secret the server holds.
package struct IssuerSecret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// As many as SHA-256 has (RFC 7518, section 3.2).
    package static let minimumBytes = 32

    package let keyID: String
    package let bytes: [UInt8]

    package init(keyID: String, bytes: [UInt8]) {
        self.keyID = keyID
        self.bytes = bytes
    }

    package var description: String { "secret \(keyID)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["keyID": keyID]) }
}

/// Who may issue tokens for a tenant, and how these must look.
package struct IssuerRegistration: Sendable, Hashable {
    package enum Keys: Sendable, Hashable {
        /// A JWK set of public keys, as we wrote it.
        case set(String)
        case address(KeySetAddress)
        case secret(IssuerSecret)
    }

    package enum Expired: String, Sendable, CaseIterable {
        case reject
        /// Senders keep their events until they have a new token.
        case hold
    }

    package var id: IssuerID
    package var issuer: String
    package var audience: String
    package var algorithms: Set<TokenAlgorithm>
    package var keys: Keys
    /// No token of this issuer has more.
    package var scopes: Set<Scope>
    package var onExpired: Expired
    /// Seconds from a token's `iat` (or now, when it has none) to its `exp`.
    package var maximumLifetime: Int64

    package init(
        id: IssuerID,
        issuer: String,
        audience: String,
        algorithms: Set<TokenAlgorithm>,
        keys: Keys,
        scopes: Set<Scope>,
        onExpired: Expired,
        maximumLifetime: Int64
    ) {
        self.id = id
        self.issuer = issuer
        self.audience = audience
        self.algorithms = algorithms
        self.keys = keys
        self.scopes = scopes
        self.onExpired = onExpired
        self.maximumLifetime = maximumLifetime
    }
}

/// A registration and the tenant it belongs to, as they are now.
package struct IssuerRecord: Sendable {
    package var tenant: TenantID
    package var tenantSlug: String
    package var retentionDays: Int
    package var isSuspended: Bool
    package var registration: IssuerRegistration
    /// The tenant's.
    package var limits: TenantLimits

    package init(
        tenant: TenantID,
        tenantSlug: String,
        retentionDays: Int,
        isSuspended: Bool,
        registration: IssuerRegistration,
        limits: TenantLimits = .none
    ) {
        self.tenant = tenant
        self.tenantSlug = tenantSlug
        self.retentionDays = retentionDays
        self.isSuspended = isSuspended
        self.registration = registration
        self.limits = limits
    }
}

/// Where issuers are looked up.
package protocol IssuerLookup: Sendable {
    /// Every registration of this `iss`, whatever its audience and tenant; throws when that cannot be known now.
    func findIssuers(_ issuer: String) async throws -> [IssuerRecord]
    /// What `findIssuers` would give now, where that is known without asking; nil says nothing.
    func knownIssuers(_ issuer: String) -> [IssuerRecord]?
}

/// Where published key sets are fetched.
package protocol KeySetLookup: Sendable {
    /// The keys at an address, fetched again when the wanted one is not among those known, though not more often than the look-up
    /// allows. Throws when it cannot be known now what they are.
    func keySet(at address: KeySetAddress, holding keyID: String) async throws -> IssuerKeySet
}
