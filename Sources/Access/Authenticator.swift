package import EventCore

/// Why a request is not let through.
package enum AccessError: Error, Sendable {
    /// No credential, or none that holds: one answer for every cause, so that nothing is learnt from it.
    case unauthenticated
    /// The credential holds, but does not reach this far.
    case missingScope(Scope)
    /// The credential holds, but its tenant is suspended: readers are told, senders keep their events.
    case suspended(Grant)
    /// A sender's token has expired, and its issuer wants its events kept until there is a new one. The token's signature is good.
    case expiredHeld(Grant)
    /// Two credentials in one request, of two tenants: nobody can say whose request it is.
    case twoTenants
    /// Whether the credential holds cannot be known now; never to be answered as if it did not.
    case unavailable(any Error)
}

/// Whose credential it is, before anybody asked what it may do.
struct Identity: Sendable {
    var grant: Grant
    let isSuspended: Bool
    /// Expired, and its issuer's senders are to keep their events.
    var isHeld = false
}

/// Turns credentials into a grant.
package struct Authenticator: Sendable {
    private let keys: any KeyLookup
    private let tokens: TokenVerifier?

    /// - Parameter tokens: nil takes keys only.
    package init(keys: any KeyLookup, tokens: TokenVerifier? = nil) {
        self.keys = keys
        self.tokens = tokens
    }

    /// The grant of a request, when all that it shows belongs to one tenant and the first reaches as far as the scope.
    ///
    /// The same work is done for unknown, wrong, expired and revoked keys; only text that is no key at all (its checksum
    /// does not match) is refused without a look-up.
    package func authenticate(
        _ credentials: PresentedCredentials,
        for scope: Scope,
        now: Timestamp
    ) async throws(AccessError) -> Grant {
        guard let first = credentials.list.first else {
            guard let certified = credentials.certified else { throw .unauthenticated }
            return try Self.judge(certified.identity, isHeld: false, for: scope)
        }
        var identity = try await identify(first, credentials.isSuspect, for: scope, now: now)
        var isHeld = identity.isHeld
        for other in credentials.list.dropFirst() {
            guard let other = try await identifyOther(other, credentials, for: scope, now: now) else { continue }
            guard other.grant.tenant == identity.grant.tenant else { throw .twoTenants }
            isHeld = isHeld || (other.isHeld && credentials.mustAllHold)
        }
        try Self.add(credentials.certified, to: &identity)
        return try Self.judge(identity, isHeld: isHeld, for: scope)
    }

    /// A certificate beside another credential must be of its tenant, and names the machine.
    private static func add(_ certified: CertifiedSender?, to identity: inout Identity) throws(AccessError) {
        guard let certified else { return }
        guard certified.tenant == identity.grant.tenant else { throw .twoTenants }
        identity.grant.machine = certified.machine
    }

    /// A single credential, and perhaps a certificate, from memory and without a wait: nil when `authenticate` must be asked.
    package func authenticateFromMemory(
        _ credential: PresentedCredential,
        certified: CertifiedSender? = nil,
        for scope: Scope,
        now: Timestamp
    ) throws(AccessError) -> Grant? {
        var identity: Identity
        if let key = APIKey(credential.text) {
            switch keys.knownKey(key.id) {
            case .found(let record): identity = try Self.identity(of: key, record, now: now)
            case .absent: identity = try Self.identity(of: key, nil, now: now)
            case nil: return nil
            }
        } else {
            guard let known = tokens?.identifyFromMemory(credential.text, now: now) else { return nil }
            identity = known
        }
        try Self.add(certified, to: &identity)
        return try Self.judge(identity, isHeld: identity.isHeld, for: scope)
    }

    private static func judge(_ identity: Identity, isHeld: Bool, for scope: Scope) throws(AccessError) -> Grant {
        // Only what would be sent again is held; a reader is told.
        guard !isHeld || scope == .ingest || scope == .hook else { throw .unauthenticated }
        guard identity.grant.scopes.contains(scope) else { throw .missingScope(scope) }
        guard !identity.isSuspended else { throw .suspended(identity.grant) }
        guard !isHeld else { throw .expiredHeld(identity.grant) }
        return identity.grant
    }

    private func identify(
        _ credential: PresentedCredential,
        _ isSuspect: Bool,
        for scope: Scope,
        now: Timestamp
    ) async throws(AccessError) -> Identity {
        if let key = APIKey(credential.text) {
            let record: KeyRecord?
            do {
                record = try await keys.findKey(key.id, isSuspect: isSuspect)
            } catch {
                throw .unavailable(error)
            }
            return try Self.identity(of: key, record, now: now)
        }
        if let legacy = try await identifyLegacy(credential, for: scope, now: now) { return legacy }
        guard let tokens, UnverifiedToken.hasForm(credential.text) else { throw .unauthenticated }
        return try await tokens.identify(credential.text, now: now)
    }

    private func identifyOther(
        _ credential: PresentedCredential,
        _ all: PresentedCredentials,
        for scope: Scope,
        now: Timestamp
    ) async throws(AccessError) -> Identity? {
        do {
            return try await identify(credential, all.isSuspect, for: scope, now: now)
        } catch {
            if case .unauthenticated = error, !all.mustAllHold { return nil }
            throw error
        }
    }

    /// Keys brought from PrivLog read, and only in the header that it took them in. Nil when it is none.
    private func identifyLegacy(
        _ credential: PresentedCredential,
        for scope: Scope,
        now: Timestamp
    ) async throws(AccessError) -> Identity? {
        guard
            credential.place == .apiKeyHeader, KeyKind.query.scopes.contains(scope),
            let digest = LegacyKey.digest(ofPresented: credential.text)
        else { return nil }
        let found: LegacyKeyRecord?
        do {
            found = try await keys.findLegacyKey(digest)
        } catch {
            throw .unavailable(error)
        }
        // Found by its digest: there is nothing left to compare, and nothing that a comparison's time could tell.
        guard let found, Self.isInForce(found.record, now) else { return nil }
        return Self.identity(found.id, found.record)
    }

    private static func identity(of key: APIKey, _ record: KeyRecord?, now: Timestamp) throws(AccessError) -> Identity {
        let matches = key.matches(digest: record?.digest ?? noDigest)
        guard let record, matches, record.kind == key.kind, isInForce(record, now) else { throw .unauthenticated }
        return identity(key.id, record)
    }

    private static func isInForce(_ record: KeyRecord, _ now: Timestamp) -> Bool {
        record.revokedAt == nil && record.expiresAt.map { now < $0 } ?? true
    }

    private static func identity(_ id: KeyID, _ record: KeyRecord) -> Identity {
        Identity(
            grant: Grant(
                tenant: record.tenant,
                tenantSlug: record.tenantSlug,
                retentionDays: record.retentionDays,
                scopes: record.scopes,
                source: record.source,
                bearer: .key(id, name: record.name),
                limits: record.limits,
                isSuperseded: record.isSuperseded
            ),
            isSuspended: record.isSuspended
        )
    }

    private static let noDigest = [UInt8](repeating: 0, count: 32)
}
