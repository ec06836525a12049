import EventCore

/// Why a request is not let through.
package enum AccessError: Error, Sendable {
    /// No credential, or none that holds: one answer for every cause, so that nothing is learnt from it.
    case unauthenticated
    /// The credential holds, but does not reach this far.
    case missingScope(Scope)
    /// The tenant is suspended: readers are told, senders keep their events.
    case suspended
    /// A sender's token has expired, and its issuer wants its events kept until there is a new one. The token's signature is good.
    case expiredHeld(Grant)
    /// Two credentials in one request, of two tenants: nobody can say whose request it is.
    case twoTenants
    /// Whether the credential holds cannot be known now; never to be answered as if it did not.
    case unavailable(any Error)
}

/// Turns a credential into a grant.
package struct Authenticator: Sendable {
    private let keys: any KeyLookup
    let tokens: TokenVerifier?

    /// - Parameter tokens: nil takes keys only.
    package init(keys: any KeyLookup, tokens: TokenVerifier? = nil) {
        self.keys = keys
        self.tokens = tokens
    }

    /// Checks a key as it came from a request.
    ///
    /// The same work is done for unknown, wrong, expired and revoked keys; only text that is no key at all (its checksum
    /// does not match) is refused without a look-up.
    func identifyKey(_ credential: String, now: Timestamp) async throws(AccessError) -> Identity {
        guard let key = APIKey(credential) else { throw .unauthenticated }
        let record: KeyRecord?
        do {
            record = try await keys.findKey(key.id)
        } catch {
            throw .unavailable(error)
        }
        return try identity(of: key, record, now: now)
    }

    /// As `identifyKey`, where the key's record is known without a look-up; nil says nothing.
    func knownKeyIdentity(_ credential: String, now: Timestamp) -> Identity? {
        guard let key = APIKey(credential), let record = keys.knownKey(key.id) else { return nil }
        return try? identity(of: key, record, now: now)
    }

    private func identity(of key: APIKey, _ record: KeyRecord?, now: Timestamp) throws(AccessError) -> Identity {
        let matches = key.matches(digest: record?.digest ?? Self.noDigest)
        guard
            let record, matches, record.kind == key.kind, record.revokedAt == nil,
            record.expiresAt.map({ now < $0 }) ?? true
        else { throw .unauthenticated }
        return Identity(
            grant: Grant(
                tenant: record.tenant,
                tenantSlug: record.tenantSlug,
                retentionDays: record.retentionDays,
                scopes: record.scopes,
                source: record.source,
                bearer: .key(key.id, name: record.name)
            ),
            isSuspended: record.isSuspended
        )
    }

    private static let noDigest = [UInt8](repeating: 0, count: 32)
}
