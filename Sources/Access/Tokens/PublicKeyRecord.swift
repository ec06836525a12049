import Crypto

/// Why keys of an issuer are not taken: words for the one who brought them, without the keys.
package struct IssuerKeyError: Error, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// A public key as an issuer publishes it (JWK, RFC 7517), checked: nothing private in it, and nothing that we do not use.
package struct PublicKeyRecord: Sendable, Hashable {
    enum Material: Sendable, Hashable {
        /// Base64url, like all of these.
        case ed25519(x: String)
        case p256(x: String, y: String)
        case rsa(modulus: String, exponent: String)
    }

    package let id: String
    let material: Material
    /// What the key says it is for; nil when it does not say.
    let algorithm: TokenAlgorithm?

    init(id: String, material: Material, algorithm: TokenAlgorithm?) throws(IssuerKeyError) {
        guard (1...256).contains(id.utf8.count), id.isVisibleASCII else {
            throw IssuerKeyError("a key's kid has 1 to 256 visible ASCII characters: every key needs one, for tokens name their key by it")
        }
        self.id = id
        self.material = material
        self.algorithm = algorithm
        guard algorithm.map({ possibleAlgorithms.contains($0) }) ?? true else {
            throw IssuerKeyError("the key \(id) has an alg that does not go with its kty")
        }
    }

    /// By the kind of the key.
    var possibleAlgorithms: [TokenAlgorithm] {
        switch material {
        case .ed25519: [.edDSA]
        case .p256: [.es256]
        case .rsa: [.rs256, .ps256]
        }
    }

    /// What an issuer with this key is registered for unless its operator says otherwise.
    package var usualAlgorithm: TokenAlgorithm {
        if let algorithm { return algorithm }
        return switch material {
        case .ed25519: .edDSA
        case .p256: .es256
        case .rsa: .rs256
        }
    }

    package func canVerify(_ wanted: TokenAlgorithm) -> Bool {
        algorithm.map { $0 == wanted } ?? possibleAlgorithms.contains(wanted)
    }

    /// RFC 7638, for keys that are made here.
    var thumbprint: String {
        Base64URL.encode(SHA256.hash(data: Array(JSONText.object(parameters.map { ($0.name, JSONText.quoted($0.value)) }).utf8)))
    }

    /// In the order of their names, as RFC 7638 wants it.
    private var parameters: [(name: String, value: String)] {
        switch material {
        case .ed25519(let x): [("crv", "Ed25519"), ("kty", "OKP"), ("x", x)]
        case .p256(let x, let y): [("crv", "P-256"), ("kty", "EC"), ("x", x), ("y", y)]
        case .rsa(let modulus, let exponent): [("e", exponent), ("kty", "RSA"), ("n", modulus)]
        }
    }

    package var json: String {
        var members = parameters
        members.append(("kid", id))
        if let algorithm { members.append(("alg", algorithm.rawValue)) }
        return JSONText.object(members.map { ($0.name, JSONText.quoted($0.value)) })
    }
}
