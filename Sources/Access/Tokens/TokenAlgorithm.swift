/// The signatures that a token may have (RFC 7518, RFC 8037). There is no `none`.
package enum TokenAlgorithm: String, CaseIterable, Sendable {
    case edDSA = "EdDSA"
    case es256 = "ES256"
    case rs256 = "RS256"
    case ps256 = "PS256"
    /// Its key is a secret that the server holds too: only for an issuer that is registered with one.
    case hs256 = "HS256"
}

extension String {
    /// Visible ASCII only, so that comparing the strings is comparing their bytes (Swift's strings are equal when they look alike).
    var isVisibleASCII: Bool { utf8.allSatisfy { (0x21...0x7E).contains($0) } }
}
