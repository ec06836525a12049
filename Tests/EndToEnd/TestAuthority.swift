import Crypto
import Foundation
import SwiftASN1
import TestSupport
import X509

/// A certificate with its key, as PEM and as files want them.
struct TestIdentity: Sendable {
    let certificate: Certificate
    let key: P256.Signing.PrivateKey
    /// Those between it and its root.
    var between: [Certificate] = []

    var chainPEM: String { get throws { try ([certificate] + between).map { try $0.serializeAsPEM().pemString }.joined(separator: "\n") } }
    var keyPEM: String { key.pemRepresentation }

    /// Writes both files as a renewal does: whole, one after the other.
    func write(certificate: String, key: String) throws {
        TestRun.register(secret: self.key.pemRepresentation.split(separator: "\n").dropFirst().first.map(String.init) ?? "")
        try chainPEM.write(toFile: certificate, atomically: true, encoding: .utf8)
        try keyPEM.write(toFile: key, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
    }
}

/// A certificate authority of a test's own.
struct TestAuthority: Sendable {
    let certificate: Certificate
    private let key: P256.Signing.PrivateKey
    private let between: [Certificate]

    /// What an issued certificate says.
    struct Wish: Sendable {
        var name: String? = "localhost"
        var alternatives: [GeneralName] = []
        var usages: [ExtendedKeyUsage.Usage]? = [.serverAuth]
        var from = Date(timeIntervalSinceNow: -3_600)
        var to = Date(timeIntervalSinceNow: 3_600)
        var isAuthority = false

        static let server = Wish(alternatives: [
            .dnsName("localhost"), .ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1])),
        ])

        static func client(_ name: String?) -> Wish { Wish(name: name, usages: [.clientAuth]) }
    }

    init(_ name: String = "Test CA", key: P256.Signing.PrivateKey = P256.Signing.PrivateKey(), to: Date = Date(timeIntervalSinceNow: 3_600))
        throws
    {
        var wish = Wish(name: name, usages: nil)
        wish.isAuthority = true
        wish.from = min(wish.from, to.addingTimeInterval(-3_600))
        wish.to = to
        self.key = key
        between = []
        let subject = try DistinguishedName { CommonName(name) }
        certificate = try Self.sign(wish, subject, key.publicKey, by: subject, key)
    }

    private init(certificate: Certificate, key: P256.Signing.PrivateKey, between: [Certificate]) {
        self.certificate = certificate
        self.key = key
        self.between = between
    }

    var pem: String { get throws { try certificate.serializeAsPEM().pemString } }

    func issue(_ wish: Wish) throws -> TestIdentity {
        let own = P256.Signing.PrivateKey()
        let subject = try wish.name.map { name in try DistinguishedName { CommonName(name) } } ?? DistinguishedName()
        let issued = try Self.sign(wish, subject, own.publicKey, by: certificate.subject, key)
        return TestIdentity(certificate: issued, key: own, between: between)
    }

    /// One that this one vouches for.
    func intermediate(_ name: String) throws -> TestAuthority {
        var wish = Wish(name: name, usages: nil)
        wish.isAuthority = true
        let made = try issue(wish)
        return TestAuthority(certificate: made.certificate, key: made.key, between: [made.certificate] + between)
    }

    private static func sign(
        _ wish: Wish,
        _ subject: DistinguishedName,
        _ publicKey: P256.Signing.PublicKey,
        by issuer: DistinguishedName,
        _ key: P256.Signing.PrivateKey
    ) throws -> Certificate {
        let constraints: BasicConstraints = wish.isAuthority ? .isCertificateAuthority(maxPathLength: nil) : .notCertificateAuthority
        var extensions = try Certificate.Extensions { Critical(constraints) }
        if let usages = wish.usages { try extensions.append(Certificate.Extension(ExtendedKeyUsage(usages), critical: false)) }
        if !wish.alternatives.isEmpty {
            try extensions.append(Certificate.Extension(SubjectAlternativeNames(wish.alternatives), critical: false))
        }
        return try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: Certificate.PublicKey(publicKey),
            notValidBefore: wish.from,
            notValidAfter: wish.to,
            issuer: issuer,
            subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: extensions,
            issuerPrivateKey: Certificate.PrivateKey(key)
        )
    }
}
