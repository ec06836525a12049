import Crypto

/// A token whose signature was found good, as long as its issuer stays what it was then.
struct VerifiedToken: Sendable {
    let claims: TokenClaims
    let keyID: String
    let keyFingerprint: SHA256Digest
    let registration: IssuerRegistration
}

/// Verified tokens by the SHA-256 of their text, which itself is not kept.
///
/// Two generations: when the younger one is full, the older one is forgotten. So it never holds more than its capacity, and what is
/// in use stays.
struct VerifiedTokens: Sendable {
    private let generation: Int
    private var young: [SHA256Digest: VerifiedToken] = [:]
    private var old: [SHA256Digest: VerifiedToken] = [:]

    init(capacity: Int) {
        generation = max(1, capacity / 2)
    }

    var count: Int { young.count + old.count }

    /// - Parameter now: seconds since 1970; what has expired by then is not found.
    mutating func find(_ digest: SHA256Digest, now: Int64) -> VerifiedToken? {
        if let token = young[digest] {
            if token.claims.expiresAt > now { return token }
            young[digest] = nil
            return nil
        }
        guard let token = old.removeValue(forKey: digest), token.claims.expiresAt > now else { return nil }
        insert(token, for: digest)
        return token
    }

    mutating func insert(_ token: VerifiedToken, for digest: SHA256Digest) {
        if young.count >= generation {
            old = young
            young.removeAll(keepingCapacity: true)
        }
        old[digest] = nil
        young[digest] = token
    }
}
