extension PublicKeyRecord {
    /// Of a file or an answer; more is not read.
    package static let maximumBytes = 64 << 10
    static let maximumKeys = 64

    /// Reads a key set, or a single key, that an operator registers: whatever is wrong with one of its keys is told.
    package static func readRegistration(_ bytes: [UInt8]) throws(IssuerKeyError) -> [PublicKeyRecord] {
        guard bytes.count <= maximumBytes, let members = JSONMembers(bytes) else {
            throw IssuerKeyError("this is no JWK set: a JSON object like {\"keys\":[…]}, without duplicate members, of at most 64 KiB")
        }
        let objects = members.contains("kty") ? [members] : keys(of: members)
        guard let objects, (1...maximumKeys).contains(objects.count) else {
            throw IssuerKeyError("a JWK set has 1 to \(maximumKeys) keys")
        }
        var records: [PublicKeyRecord] = []
        for object in objects { records.append(try PublicKeyRecord(object)) }
        guard Set(records.map(\.id)).count == records.count else {
            throw IssuerKeyError("two keys have the same kid: tokens could not say which one they mean")
        }
        return records
    }

    /// Reads a key set that an issuer publishes: keys that are for something else (encryption, other algorithms) or that are no
    /// public keys are left out, and so are all that share a kid. Nil when it is no key set at all.
    package static func readPublished(_ bytes: [UInt8]) -> [PublicKeyRecord]? {
        guard bytes.count <= maximumBytes, let members = JSONMembers(bytes), let objects = keys(of: members) else { return nil }
        let records = objects.prefix(maximumKeys).compactMap { try? PublicKeyRecord($0) }
        let counts = Dictionary(records.map { ($0.id, 1) }, uniquingKeysWith: +)
        return records.filter { counts[$0.id] == 1 }
    }

    private static func keys(of members: JSONMembers) -> [JSONMembers]? {
        guard case .objects(let keys) = members["keys"] else { return nil }
        return keys
    }

    private static let privateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"]

    init(_ members: JSONMembers) throws(IssuerKeyError) {
        let id = members.string("kid") ?? ""
        let name = id.isEmpty || !id.isVisibleASCII || id.utf8.count > 256 ? "a key without a right kid" : "the key \(id)"
        guard !Self.privateMembers.contains(where: members.contains) else {
            throw IssuerKeyError(
                "\(name) is a private or secret key: register its public half only, and keep this file away from the server"
            )
        }
        guard members["use"].map({ _ in members.string("use") == "sig" }) ?? true, Self.allowsVerifying(members["key_ops"]) else {
            throw IssuerKeyError("\(name) is not for signatures (use, key_ops)")
        }
        let algorithm = members.string("alg").flatMap(TokenAlgorithm.init(rawValue:))
        guard members.contains("alg") == (algorithm != nil), algorithm != .hs256 else {
            throw IssuerKeyError("\(name) has an alg other than EdDSA, ES256, RS256 and PS256")
        }
        try self.init(id: id, material: try Self.material(members, name: name), algorithm: algorithm)
    }

    private static func allowsVerifying(_ operations: JSONMembers.Value?) -> Bool {
        switch operations {
        case nil: true
        case .strings(let list): list.contains("verify")
        default: false
        }
    }

    static func material(_ members: JSONMembers, name: String) throws(IssuerKeyError) -> Material {
        let curve = members.string("crv")
        switch members.string("kty") {
        case "OKP" where curve == "Ed25519":
            return .ed25519(x: try number("x", of: members, bytes: 32...32, name: name))
        case "EC" where curve == "P-256":
            return .p256(
                x: try number("x", of: members, bytes: 32...32, name: name),
                y: try number("y", of: members, bytes: 32...32, name: name)
            )
        case "RSA":
            // 2,048 to 8,192 bits. Larger ones, and larger exponents, would make each check expensive for us.
            return .rsa(
                modulus: try number("n", of: members, bytes: 256...1024, name: name),
                exponent: try number("e", of: members, bytes: 1...4, name: name)
            )
        default:
            throw IssuerKeyError("\(name) is none of: OKP with Ed25519, EC with P-256, RSA")
        }
    }

    private static func number(
        _ member: String,
        of members: JSONMembers,
        bytes: ClosedRange<Int>,
        name: String
    ) throws(IssuerKeyError) -> String {
        guard
            let text = members.string(member), let value = Base64URL.decode(text.utf8), bytes.contains(value.count)
        else {
            throw IssuerKeyError(
                "\(name) has no right \(member): base64url without padding, \(bytes.lowerBound) to \(bytes.upperBound) bytes"
            )
        }
        return text
    }
}
