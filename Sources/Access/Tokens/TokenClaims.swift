/// What a token says of itself; nothing of it is believed before its signature is.
struct TokenClaims: Sendable, Hashable {
    let issuer: String
    let audiences: [String]
    let subject: String?
    /// Seconds since 1970, like the others.
    let expiresAt: Int64
    let notBefore: Int64?
    let issuedAt: Int64?
    /// Without `scope` a token may ingest.
    let scopes: Set<Scope>

    /// Nil when a claim that is needed is missing, or one that is known is not what RFC 7519 says it is.
    init?(_ members: JSONMembers) {
        guard let issuer = members.string("iss"), issuer.isVisibleASCII, !issuer.isEmpty else { return nil }
        self.issuer = issuer
        switch members["aud"] {
        case .string(let audience): audiences = [audience].filter(\.isVisibleASCII)
        case .strings(let list): audiences = list.filter(\.isVisibleASCII)
        default: return nil
        }
        guard let expiresAt = Self.date(members["exp"]) else { return nil }
        self.expiresAt = expiresAt
        notBefore = Self.date(members["nbf"])
        issuedAt = Self.date(members["iat"])
        subject = members.string("sub")
        guard
            members.contains("nbf") == (notBefore != nil), members.contains("iat") == (issuedAt != nil),
            members.contains("sub") == (subject != nil)
        else { return nil }
        switch members["scope"] {
        case nil: scopes = [.ingest]
        case .string(let text): scopes = Set(text.split(separator: " ").compactMap { Scope(rawValue: String($0)) })
        default: return nil
        }
    }

    /// A NumericDate of the years 1970 to 9999; a fraction is cut. No exponent: 1e400 is no date.
    private static func date(_ value: JSONMembers.Value?) -> Int64? {
        guard case .number(let text) = value else { return nil }
        let parts = text.utf8.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        guard
            let whole = parts.first, (1...12).contains(whole.count),
            parts.allSatisfy({ $0.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } })
        else { return nil }
        let seconds = whole.reduce(Int64(0)) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
        return seconds <= 253_402_300_799 ? seconds : nil
    }
}

/// Whether a token's times are right, by the server's clock.
enum TokenTime: Sendable {
    case valid, expired, wrong

    /// Seconds that two clocks may differ.
    static let leeway: Int64 = 30

    init(_ claims: TokenClaims, maximumLifetime: Int64, now: Int64) {
        if let notBefore = claims.notBefore, notBefore > now + Self.leeway {
            self = .wrong
        } else if let issuedAt = claims.issuedAt,
            issuedAt > now + Self.leeway || claims.expiresAt < issuedAt || claims.expiresAt - issuedAt > maximumLifetime
        {
            self = .wrong
        } else if claims.issuedAt == nil, claims.expiresAt - now > maximumLifetime {
            self = .wrong
        } else {
            self = claims.expiresAt + Self.leeway <= now ? .expired : .valid
        }
    }
}
