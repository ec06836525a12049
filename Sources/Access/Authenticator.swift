package import EventCore

/// Why a request is not let through.
package enum AccessError: Error, Sendable {
    /// No credential, or none that holds: one answer for every cause, so that nothing is learnt from it.
    case unauthenticated
    /// The credential holds, but does not reach this far.
    case missingScope(Scope)
    /// The tenant is suspended: readers are told, senders keep their events.
    case suspended
    /// Whether the credential holds cannot be known now; never to be answered as if it did not.
    case unavailable(any Error)
}

/// Turns a credential into a grant.
package struct Authenticator: Sendable {
    private let keys: any KeyLookup

    package init(keys: any KeyLookup) {
        self.keys = keys
    }

    /// Checks a key as it came from a request.
    ///
    /// The same work is done for unknown, wrong, expired and revoked keys; only text that is no key at all (its checksum
    /// does not match) is refused without a look-up.
    package func authenticate(_ credential: String?, for scope: Scope, now: Timestamp) async throws(AccessError) -> Grant {
        guard let credential, let key = APIKey(credential) else { throw .unauthenticated }
        let record: KeyRecord?
        do {
            record = try await keys.findKey(key.id)
        } catch {
            throw .unavailable(error)
        }
        return try check(key, record, for: scope, now: now)
    }

    /// The grant, where the key's record is known without a look-up. Nil is no refusal: `authenticate` says what it is.
    package func knownGrant(_ credential: String, for scope: Scope, now: Timestamp) -> Grant? {
        guard let key = APIKey(credential), let record = keys.knownKey(key.id) else { return nil }
        return try? check(key, record, for: scope, now: now)
    }

    private func check(_ key: APIKey, _ record: KeyRecord?, for scope: Scope, now: Timestamp) throws(AccessError) -> Grant {
        let matches = key.matches(digest: record?.digest ?? Self.noDigest)
        guard
            let record, matches, record.kind == key.kind, record.revokedAt == nil,
            record.expiresAt.map({ now < $0 }) ?? true
        else { throw .unauthenticated }
        guard record.scopes.contains(scope) else { throw .missingScope(scope) }
        guard !record.isSuspended else { throw .suspended }
        return Grant(
            tenant: record.tenant,
            tenantSlug: record.tenantSlug,
            retentionDays: record.retentionDays,
            scopes: record.scopes,
            source: record.source,
            keyID: key.id,
            keyName: record.name
        )
    }

    private static let noDigest = [UInt8](repeating: 0, count: 32)
}
