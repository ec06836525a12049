import Crypto
import JWTKit

/// One key of an issuer, ready to check signatures with.
struct IssuerKey: Sendable {
    let id: String
    /// Of the key itself: another key under the same kid is another key.
    let fingerprint: SHA256Digest
    private let verifiers: [TokenAlgorithm: any JWTAlgorithm]

    /// Throws when the numbers make no key.
    init(_ record: PublicKeyRecord) async throws(IssuerKeyError) {
        id = record.id
        fingerprint = SHA256.hash(data: Array(record.json.utf8))
        var verifiers: [TokenAlgorithm: any JWTAlgorithm] = [:]
        for algorithm in record.possibleAlgorithms where record.canVerify(algorithm) {
            verifiers[algorithm] = try await record.key(for: algorithm).algorithm(named: record.id)
        }
        self.verifiers = verifiers
    }

    /// A secret for HS256, and for nothing else.
    init(_ secret: IssuerSecret) async throws(IssuerKeyError) {
        id = secret.keyID
        fingerprint = SHA256.hash(data: secret.bytes)
        guard secret.bytes.count >= IssuerSecret.minimumBytes else { throw IssuerKeyError("a secret has at least 32 bytes") }
        let identifier = JWKIdentifier(string: secret.keyID)
        let one = await JWTKeyCollection().add(hmac: HMACKey(from: secret.bytes), digestAlgorithm: .sha256, kid: identifier)
        do {
            verifiers = [.hs256: try await one.getKey(for: identifier)]
        } catch {
            throw IssuerKeyError("the secret \(secret.keyID) cannot be used")
        }
    }

    /// False for an algorithm that this key is not for, and for anything that is no signature.
    func verifies(_ token: UnverifiedToken) -> Bool {
        guard let verifier = verifiers[token.algorithm] else { return false }
        return (try? verifier.verify(token.signature, signs: token.signedBytes)) ?? false
    }
}

/// The keys of one issuer. A token's kid must be one of theirs, exactly: there is no default key.
package struct IssuerKeySet: Sendable {
    private let keys: [String: IssuerKey]

    private init(_ keys: [IssuerKey]) {
        self.keys = Dictionary(keys.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Keys whose numbers make none are left out.
    package init(_ records: [PublicKeyRecord]) async {
        var keys: [IssuerKey] = []
        for record in records {
            guard let key = try? await IssuerKey(record) else { continue }
            keys.append(key)
        }
        self.init(keys)
    }

    /// Of a registration that was checked when it was made.
    init(_ secret: IssuerSecret) async {
        let key = try? await IssuerKey(secret)
        self.init(key.map { [$0] } ?? [])
    }

    package func contains(_ id: String) -> Bool { keys[id] != nil }

    func key(_ id: String) -> IssuerKey? { keys[id] }

    /// Makes every key, to tell an operator of one that is none.
    package static func check(_ records: [PublicKeyRecord]) async throws(IssuerKeyError) {
        for record in records { _ = try await IssuerKey(record) }
    }
}

extension PublicKeyRecord {
    /// With the algorithm set: jwt-kit would take a missing one from the token.
    fileprivate func key(for algorithm: TokenAlgorithm) -> JWK {
        let identifier = JWKIdentifier(string: id)
        let name = JWK.Algorithm(rawValue: algorithm.rawValue)
        return switch material {
        case .ed25519(let x): .octetKeyPair(name, identifier: identifier, x: x, y: nil, curve: .ed25519)
        case .p256(let x, let y): .ecdsa(name, identifier: identifier, x: x, y: y, curve: .p256)
        case .rsa(let modulus, let exponent): .rsa(name, identifier: identifier, modulus: modulus, exponent: exponent)
        }
    }
}

extension JWK {
    /// A collection of this one key, so that nothing else can be found in it: jwt-kit answers an unknown kid with its first key.
    func algorithm(named id: String) async throws(IssuerKeyError) -> any JWTAlgorithm {
        do {
            return try await JWTKeyCollection().add(jwk: self).getKey(for: JWKIdentifier(string: id))
        } catch {
            throw IssuerKeyError("the key \(id) is no key that signatures can be checked with (RSA: at least 2,048 bits)")
        }
    }
}
