/// A JWS in compact form (RFC 7515, section 7.1) whose every part is well-formed. Whether anybody signed it is not known yet.
struct UnverifiedToken: Sendable {
    static let maximumBytes = 8 << 10

    let algorithm: TokenAlgorithm
    let keyID: String
    let claims: TokenClaims
    /// Header, dot and payload, as they came.
    let signedBytes: ArraySlice<UInt8>
    let signature: [UInt8]

    /// Three parts: what is to be taken for a token. (A JWE has five.)
    static func hasForm(_ text: String) -> Bool {
        text.utf8.reduce(0) { $0 + ($1 == UInt8(ascii: ".") ? 1 : 0) } == 2
    }

    init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.maximumBytes else { return nil }
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard
            parts.count == 3,
            let header = Base64URL.decode(parts[0]).flatMap({ JSONMembers($0) }),
            let (algorithm, keyID) = Self.signer(header),
            let claims = Base64URL.decode(parts[1]).flatMap({ JSONMembers($0) }).flatMap(TokenClaims.init),
            let signature = Base64URL.decode(parts[2]), !signature.isEmpty
        else { return nil }
        self.algorithm = algorithm
        self.keyID = keyID
        self.claims = claims
        self.signature = signature
        signedBytes = bytes[..<parts[1].endIndex]
    }

    /// `jwk`, `jku`, `x5c` and `x5u` are not read: a key is what the issuer is registered with, not what a token brings along.
    private static func signer(_ header: JSONMembers) -> (TokenAlgorithm, String)? {
        guard
            let algorithm = header.string("alg").flatMap(TokenAlgorithm.init(rawValue:)),
            let keyID = header.string("kid"), keyID.isVisibleASCII, !keyID.isEmpty,
            // We know no extension that a token could insist on. `b64`, `enc` and `zip` would change what the parts are.
            !["crit", "b64", "enc", "zip"].contains(where: header.contains)
        else { return nil }
        switch header["typ"] {
        case nil: break
        // Of the explicit types (RFC 8725, section 3.11) only access tokens are meant for us.
        case .string(let type) where ["jwt", "at+jwt", "application/at+jwt"].contains(type.lowercased()): break
        default: return nil
        }
        return (algorithm, keyID)
    }
}
