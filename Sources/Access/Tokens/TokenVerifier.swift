import Crypto
import EventCore
import Synchronization

/// Checks JWTs (RFC 8725): which issuer a token may be of, which key and algorithm must have signed it, and its times.
///
/// jwt-kit does the signatures, each with one key and one algorithm that were chosen here; everything else about a token is read and
/// judged by this module (docs/adr/0006-tokens.md).
package final class TokenVerifier: Sendable {
    private struct State {
        var verified: VerifiedTokens
        /// Key sets of registrations that hold their keys themselves.
        var keySets: [IssuerID: (registration: IssuerRegistration, keys: IssuerKeySet)] = [:]
    }

    private let issuers: any IssuerLookup
    private let remoteKeys: any KeySetLookup
    private let state: Mutex<State>

    private static let keySetCapacity = 10_000
    /// A longer token is checked anew each time, so that nobody fills the memory with claims.
    private static let rememberedBytes = 2 << 10

    /// - Parameter capacity: how many verified tokens are remembered, each for as long as it and its issuer hold.
    package init(issuers: any IssuerLookup, remoteKeys: any KeySetLookup, capacity: Int = 50_000) {
        self.issuers = issuers
        self.remoteKeys = remoteKeys
        state = Mutex(State(verified: VerifiedTokens(capacity: capacity)))
    }

    /// Whose token this is. Every token that is not good fails alike.
    func identify(_ text: String, now: Timestamp) async throws(AccessError) -> Identity {
        let seconds = now.microsecondsSince1970 / 1_000_000
        let digest = SHA256.hash(data: Array(text.utf8))
        if let known = state.withLock({ $0.verified.find(digest, now: seconds) }),
            let identity = try await identify(known, now: seconds)
        {
            return identity
        }
        return try await verify(text, digest: digest, now: seconds)
    }

    /// As `identify`, where the token was verified before and nothing needs to be asked; nil says nothing.
    func identifyFromMemory(_ text: String, now: Timestamp) -> Identity? {
        let seconds = now.microsecondsSince1970 / 1_000_000
        let digest = SHA256.hash(data: Array(text.utf8))
        guard
            let known = state.withLock({ $0.verified.find(digest, now: seconds) }),
            let record = issuers.knownIssuers(known.claims.issuer).flatMap({ Self.record(for: known.claims, among: $0) }),
            record.registration == known.registration
        else { return nil }
        // Keys at an address may have changed there.
        if case .address = record.registration.keys { return nil }
        return try? identity(known.claims, record, now: seconds)
    }

    /// A token that was verified before; nil when something that it was verified with has changed since.
    private func identify(_ known: VerifiedToken, now: Int64) async throws(AccessError) -> Identity? {
        guard let record = try await record(for: known.claims), record.registration == known.registration else { return nil }
        if case .address = record.registration.keys {
            let key = try await keySet(of: record.registration, holding: known.keyID).key(known.keyID)
            guard key?.fingerprint == known.keyFingerprint else { return nil }
        }
        return try identity(known.claims, record, now: now)
    }

    private func verify(_ text: String, digest: SHA256Digest, now: Int64) async throws(AccessError) -> Identity {
        guard
            let token = UnverifiedToken(text),
            let record = try await record(for: token.claims),
            record.registration.algorithms.contains(token.algorithm),
            let key = try await keySet(of: record.registration, holding: token.keyID).key(token.keyID),
            key.verifies(token)
        else { throw .unauthenticated }
        let identity = try identity(token.claims, record, now: now)
        guard text.utf8.count <= Self.rememberedBytes else { return identity }
        let verified = VerifiedToken(
            claims: token.claims,
            keyID: token.keyID,
            keyFingerprint: key.fingerprint,
            registration: record.registration
        )
        state.withLock { $0.verified.insert(verified, for: digest) }
        return identity
    }

    /// The one registration that a token's issuer and audiences lead to. An audience of several tenants' is nobody's.
    private func record(for claims: TokenClaims) async throws(AccessError) -> IssuerRecord? {
        let records: [IssuerRecord]
        do {
            records = try await issuers.findIssuers(claims.issuer)
        } catch {
            throw .unavailable(error)
        }
        return Self.record(for: claims, among: records)
    }

    private static func record(for claims: TokenClaims, among records: [IssuerRecord]) -> IssuerRecord? {
        let meant = records.filter { $0.registration.issuer == claims.issuer && claims.audiences.contains($0.registration.audience) }
        return meant.count == 1 ? meant.first : nil
    }

    private func keySet(of registration: IssuerRegistration, holding keyID: String) async throws(AccessError) -> IssuerKeySet {
        if case .address(let address) = registration.keys {
            do {
                return try await remoteKeys.keySet(at: address, holding: keyID)
            } catch {
                throw .unavailable(error)
            }
        }
        if let made = state.withLock({ $0.keySets[registration.id] }), made.registration == registration { return made.keys }
        let keys = await Self.makeKeySet(registration.keys)
        state.withLock { state in
            if state.keySets.count >= Self.keySetCapacity { state.keySets.removeAll() }
            state.keySets[registration.id] = (registration, keys)
        }
        return keys
    }

    private static func makeKeySet(_ keys: IssuerRegistration.Keys) async -> IssuerKeySet {
        switch keys {
        case .set(let json): await IssuerKeySet(PublicKeyRecord.readPublished(Array(json.utf8)) ?? [])
        case .secret(let secret): await IssuerKeySet(secret)
        case .address: await IssuerKeySet([PublicKeyRecord]())
        }
    }

    /// What a token with a good signature may do now.
    private func identity(_ claims: TokenClaims, _ record: IssuerRecord, now: Int64) throws(AccessError) -> Identity {
        let registration = record.registration
        let time = TokenTime(claims, maximumLifetime: registration.maximumLifetime, now: now)
        guard time == .valid || (time == .expired && registration.onExpired == .hold) else { throw .unauthenticated }
        return Identity(
            grant: Grant(
                tenant: record.tenant,
                tenantSlug: record.tenantSlug,
                retentionDays: record.retentionDays,
                scopes: claims.scopes.intersection(registration.scopes),
                source: nil,
                bearer: .token(issuer: registration.id, subject: claims.subject),
                limits: record.limits
            ),
            isSuspended: record.isSuspended,
            isHeld: time == .expired
        )
    }
}
