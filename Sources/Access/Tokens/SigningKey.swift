import Crypto
import JWTKit

/// A private key that tokens are issued with, as it is kept in a file: a JWK, with the issuer and audience it was registered for.
/// It never reaches the server.
package struct SigningKey: Sendable, CustomStringConvertible {
    package let record: PublicKeyRecord
    package let algorithm: TokenAlgorithm
    /// `iss` and `aud` of the file.
    package let issuer: String?
    package let audience: String?
    /// Of the JWK: `d`, and for RSA `p` and `q`, base64url.
    private let secrets: [String: String]

    package static func generateEd25519(issuer: String, audience: String) throws(IssuerKeyError) -> SigningKey {
        let key = Curve25519.Signing.PrivateKey()
        let material = PublicKeyRecord.Material.ed25519(x: Base64URL.encode(key.publicKey.rawRepresentation))
        let unnamed = try PublicKeyRecord(id: "-", material: material, algorithm: .edDSA)
        return SigningKey(
            record: try PublicKeyRecord(id: unnamed.thumbprint, material: material, algorithm: .edDSA),
            algorithm: .edDSA,
            issuer: issuer,
            audience: audience,
            secrets: ["d": Base64URL.encode(key.rawRepresentation)]
        )
    }

    private init(record: PublicKeyRecord, algorithm: TokenAlgorithm, issuer: String?, audience: String?, secrets: [String: String]) {
        self.record = record
        self.algorithm = algorithm
        self.issuer = issuer
        self.audience = audience
        self.secrets = secrets
    }

    /// - Parameter keyID: instead of the file's own kid.
    package init(reading bytes: [UInt8], keyID: String?) throws(IssuerKeyError) {
        guard bytes.count <= PublicKeyRecord.maximumBytes, let members = JSONMembers(bytes) else {
            throw IssuerKeyError("the key file is no JSON object: it holds one private key as a JWK")
        }
        let name = "the key file's key"
        let declared = members.string("alg").flatMap(TokenAlgorithm.init(rawValue:))
        guard members.contains("alg") == (declared != nil) else { throw IssuerKeyError("\(name) has an unknown alg") }
        let material = try PublicKeyRecord.material(members, name: name)
        record = try PublicKeyRecord(id: keyID ?? members.string("kid") ?? "", material: material, algorithm: declared)
        algorithm = record.usualAlgorithm
        issuer = members.string("iss")
        audience = members.string("aud")
        let names = if case .rsa = material { ["d", "p", "q"] } else { ["d"] }
        secrets = Dictionary(names.compactMap { name in members.string(name).map { (name, $0) } }, uniquingKeysWith: { $1 })
        guard secrets.count == names.count else {
            throw IssuerKeyError("\(name) is no private key: it lacks \(names.joined(separator: ", "))")
        }
    }

    /// The whole of it, private parts and all: for a file that only its owner reads.
    package var fileText: String {
        let extras = [("iss", issuer), ("aud", audience)] + secrets.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        let members = extras.compactMap { name, value in value.map { "\(JSONText.quoted(name)):\(JSONText.quoted($0))" } }
        return "{" + record.json.dropFirst().dropLast() + "," + members.joined(separator: ",") + "}\n"
    }

    package var description: String { "signing key \(record.id)" }

    /// What a new token says.
    package struct Claims: Sendable {
        package var issuer: String
        package var audience: String
        package var subject: String?
        package var scopes: Set<Scope>
        /// Seconds since 1970.
        package var issuedAt: Int64
        package var expiresAt: Int64

        package init(issuer: String, audience: String, subject: String?, scopes: Set<Scope>, issuedAt: Int64, expiresAt: Int64) {
            self.issuer = issuer
            self.audience = audience
            self.subject = subject
            self.scopes = scopes
            self.issuedAt = issuedAt
            self.expiresAt = expiresAt
        }

        fileprivate var json: String {
            var members = [("iss", JSONText.quoted(issuer)), ("aud", JSONText.quoted(audience))]
            if let subject { members.append(("sub", JSONText.quoted(subject))) }
            members.append(("scope", JSONText.quoted(scopes.map(\.rawValue).sorted().joined(separator: " "))))
            members.append(("iat", String(issuedAt)))
            members.append(("exp", String(expiresAt)))
            members.append(("jti", JSONText.quoted(String(decoding: Base62.random(count: 22), as: UTF8.self))))
            return JSONText.object(members.map { (name: $0.0, json: $0.1) })
        }
    }

    /// A new token.
    package func sign(_ claims: Claims) async throws(IssuerKeyError) -> String {
        let header = JSONText.object([
            ("alg", JSONText.quoted(algorithm.rawValue)), ("kid", JSONText.quoted(record.id)), ("typ", "\"JWT\""),
        ])
        let signed = "\(Base64URL.encode(header.utf8)).\(Base64URL.encode(claims.json.utf8))"
        return "\(signed).\(Base64URL.encode(try await signature(over: Array(signed.utf8))))"
    }

    func signature(over bytes: [UInt8]) async throws(IssuerKeyError) -> [UInt8] {
        let signer = try await privateKey.algorithm(named: record.id)
        do {
            return try signer.sign(bytes)
        } catch {
            throw IssuerKeyError("the key \(record.id) cannot sign: it is no whole private key")
        }
    }

    private var privateKey: JWK {
        let identifier = JWKIdentifier(string: record.id)
        let name = JWK.Algorithm(rawValue: algorithm.rawValue)
        switch record.material {
        case .ed25519(let x):
            return .octetKeyPair(name, identifier: identifier, x: x, y: nil, curve: .ed25519, privateKey: secrets["d"])
        case .p256(let x, let y):
            return .ecdsa(name, identifier: identifier, x: x, y: y, curve: .p256, privateKey: secrets["d"])
        case .rsa(let modulus, let exponent):
            var key = JWK.rsa(name, identifier: identifier, modulus: modulus, exponent: exponent, privateExponent: secrets["d"])
            key.prime1 = secrets["p"]
            key.prime2 = secrets["q"]
            return key
        }
    }
}
