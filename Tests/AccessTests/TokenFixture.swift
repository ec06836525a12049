import Crypto
import CryptoExtras
import EventCore
import Foundation

@testable import Access

/// The moment of all token tests, in seconds.
let tokenNow: Int64 = 1_800_000_000

/// An issuer that is registered for a tenant, and the private key that it signs with.
struct TestIssuer: Sendable {
    let key: SigningKey
    var record: IssuerRecord

    static func make(
        _ key: SigningKey,
        id: Int32 = 1,
        tenant: Int32 = 7,
        issuer: String = "https://login.acme.example",
        audience: String = "sluice-acme",
        change: (inout IssuerRegistration) -> Void = { _ in }
    ) -> TestIssuer {
        var registration = IssuerRegistration(
            id: IssuerID(rawValue: id),
            issuer: issuer,
            audience: audience,
            algorithms: [key.algorithm],
            keys: .set("{\"keys\":[\(key.record.json)]}"),
            scopes: [.ingest],
            onExpired: .reject,
            maximumLifetime: 90 * 86_400
        )
        change(&registration)
        return TestIssuer(
            key: key,
            record: IssuerRecord(
                tenant: TenantID(rawValue: tenant),
                tenantSlug: "acme",
                retentionDays: 90,
                isSuspended: false,
                registration: registration
            )
        )
    }

    static func ed25519(change: (inout IssuerRegistration) -> Void = { _ in }) throws -> TestIssuer {
        make(try .generateEd25519(issuer: "https://login.acme.example", audience: "sluice-acme"), change: change)
    }

    /// Claims of a good token, some of them replaced or (with nil) left out. Values are JSON.
    func payload(_ changes: [String: String?] = [:]) -> String {
        var claims: [String: String?] = [
            "iss": JSONText.quoted(record.registration.issuer), "aud": JSONText.quoted(record.registration.audience),
            "sub": "\"mac-17\"", "iat": "\(tokenNow - 60)", "exp": "\(tokenNow + 3_600)",
        ]
        claims.merge(changes) { $1 }
        return JSONText.object(claims.sorted { $0.key < $1.key }.compactMap { name, json in json.map { (name, $0) } })
    }

    func header(_ changes: [String: String?] = [:]) -> String {
        var fields: [String: String?] = ["alg": "\"\(key.algorithm.rawValue)\"", "kid": JSONText.quoted(key.record.id), "typ": "\"JWT\""]
        fields.merge(changes) { $1 }
        return JSONText.object(fields.sorted { $0.key < $1.key }.compactMap { name, json in json.map { (name, $0) } })
    }

    func token(header: String? = nil, payload: String? = nil, signedBy other: SigningKey? = nil) async throws -> String {
        let signed = Self.signedPart(header ?? self.header(), payload ?? self.payload())
        return "\(signed).\(Base64URL.encode(try await (other ?? key).signature(over: Array(signed.utf8))))"
    }

    static func signedPart(_ header: String, _ payload: String) -> String {
        "\(Base64URL.encode(header.utf8)).\(Base64URL.encode(payload.utf8))"
    }
}

/// Registrations in memory.
struct TestIssuers: IssuerLookup {
    struct Down: Error {}

    var records: [IssuerRecord]
    var isDown = false

    init(_ issuers: TestIssuer...) {
        records = issuers.map(\.record)
    }

    func findIssuers(_ issuer: String) async throws -> [IssuerRecord] {
        if isDown { throw Down() }
        return records.filter { $0.registration.issuer == issuer }
    }

    func knownIssuers(_ issuer: String) -> [IssuerRecord]? {
        isDown ? nil : records.filter { $0.registration.issuer == issuer }
    }
}

struct NoRemoteKeys: KeySetLookup {
    struct Asked: Error {}

    func keySet(at address: KeySetAddress, holding keyID: String) async throws -> IssuerKeySet { throw Asked() }
}

extension PresentedCredentials {
    init(headers texts: [String]) {
        self.init(headers: texts.map { PresentedCredential($0, in: .authorization) })
    }

    init(path text: String?, headers texts: [String]) {
        self.init(path: text, headers: texts.map { PresentedCredential($0, in: .authorization) })
    }
}

struct NoKeys: KeyLookup {
    func findKey(_ id: KeyID, isSuspect: Bool) async throws -> KeyRecord? { nil }
}

func outcome(
    _ verifier: TokenVerifier,
    _ token: String,
    for scope: Scope = .ingest,
    at seconds: Int64 = tokenNow
) async -> String {
    let authenticator = Authenticator(keys: NoKeys(), tokens: verifier)
    return await outcome(authenticator, PresentedCredentials(headers: [token]), for: scope, at: seconds)
}

func outcome(
    _ authenticator: Authenticator,
    _ credentials: PresentedCredentials,
    for scope: Scope = .ingest,
    at seconds: Int64 = tokenNow
) async -> String {
    let now = Timestamp(microsecondsSince1970: seconds * 1_000_000)
    do throws(AccessError) {
        let grant = try await authenticator.authenticate(credentials, for: scope, now: now)
        return "tenant \(grant.tenant)"
    } catch {
        switch error {
        case .unauthenticated: return "unauthenticated"
        case .missingScope(let scope): return "missing \(scope)"
        case .suspended: return "suspended"
        case .expiredHeld(let grant): return "held for \(grant.tenant)"
        case .twoTenants: return "two tenants"
        case .unavailable: return "unavailable"
        }
    }
}

func outcome(_ issuers: TestIssuers, _ token: String, for scope: Scope = .ingest, at seconds: Int64 = tokenNow) async -> String {
    await outcome(TokenVerifier(issuers: issuers, remoteKeys: NoRemoteKeys()), token, for: scope, at: seconds)
}

extension SigningKey {
    static func p256(id: String = "ec-1") throws -> SigningKey {
        let key = P256.Signing.PrivateKey()
        let point = Array(key.publicKey.rawRepresentation)
        let jwk = JSONText.object([
            ("kty", "\"EC\""), ("crv", "\"P-256\""), ("kid", JSONText.quoted(id)),
            ("x", JSONText.quoted(Base64URL.encode(point.prefix(32)))), ("y", JSONText.quoted(Base64URL.encode(point.suffix(32)))),
            ("d", JSONText.quoted(Base64URL.encode(key.rawRepresentation))),
        ])
        return try SigningKey(reading: Array(jwk.utf8), keyID: nil)
    }

    /// - Parameter numbers: n, e, d, p and q, as `RSANumbers` has them.
    static func rsa(_ algorithm: TokenAlgorithm, id: String = "rsa-1", _ numbers: RSANumbers) throws -> SigningKey {
        let members = zip(["n", "e", "d", "p", "q"], numbers.values).map { ($0, JSONText.quoted(Base64URL.encode($1))) }
        let jwk = JSONText.object(
            [("kty", "\"RSA\""), ("kid", JSONText.quoted(id)), ("alg", JSONText.quoted(algorithm.rawValue))]
                + members.map { (name: $0.0, json: $0.1) }
        )
        return try SigningKey(reading: Array(jwk.utf8), keyID: nil)
    }
}

/// n, e, d, p and q of a new RSA key, out of its PKCS #1 form: a DER sequence of numbers.
struct RSANumbers: Sendable {
    let values: [[UInt8]]
    /// As people publish it, which an attacker takes for a secret.
    let pem: String

    init(bits: Int = 2048) throws {
        let key = try _RSA.Signing.PrivateKey(unsafeKeySize: .init(bitCount: bits))
        pem = key.publicKey.pemRepresentation
        let der = Array(key.derRepresentation)
        var at = 4  // the sequence's tag and three bytes of length
        var numbers: [[UInt8]] = []
        while numbers.count < 6, at + 1 < der.count {
            var length = Int(der[at + 1])
            at += 2
            if length > 0x80 {
                let bytes = length - 0x80
                length = der[at..<(at + bytes)].reduce(0) { $0 << 8 | Int($1) }
                at += bytes
            }
            numbers.append(Array(der[at..<(at + length)].drop { $0 == 0 }))
            at += length
        }
        values = Array(numbers.dropFirst())
    }
}
