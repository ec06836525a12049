import Crypto
package import EventCore
import Foundation
import SwiftASN1
import X509

/// A certificate authority that vouches for one tenant's senders.
package struct ClientAuthority: Sendable, Hashable {
    /// Why a file cannot be one.
    package struct Unusable: Error, CustomStringConvertible {
        package let description: String
    }

    package static let largestCertificate = 16 << 10
    /// Of PEM text, which holds a certificate in base64 and perhaps words about it.
    package static let largestFile = 64 << 10

    let certificate: Certificate
    package let der: [UInt8]

    /// As it is stored. Nil: it is no certificate.
    package init?(der: [UInt8]) {
        guard der.count <= Self.largestCertificate, let certificate = try? Certificate(derEncoded: der) else { return nil }
        self.certificate = certificate
        self.der = der
    }

    /// As an operator gives it: one certificate in PEM, of an authority that may sign clients' certificates and is in force.
    package init(pem: [UInt8], now: Timestamp) throws(Unusable) {
        guard pem.count <= Self.largestFile,
            let documents = try? PEMDocument.parseMultiple(pemString: String(decoding: pem, as: UTF8.self)), !documents.isEmpty
        else { throw Unusable(description: "this is no certificate in PEM") }
        guard !documents.contains(where: { $0.discriminator.contains("PRIVATE KEY") }) else {
            throw Unusable(
                description: "there is a private key in it: an authority's key never leaves the authority; give its certificate alone"
            )
        }
        guard documents.count == 1, let document = documents.first, document.discriminator == "CERTIFICATE" else {
            throw Unusable(
                description: "it holds \(documents.count) PEM blocks: give one certificate, of the authority that signs the clients'"
            )
        }
        guard let authority = ClientAuthority(der: document.derBytes) else {
            throw Unusable(description: "this is no X.509 certificate that can be read, or it is larger than 16 KiB")
        }
        if let complaint = authority.complaint(now) { throw Unusable(description: complaint) }
        self = authority
    }

    private func complaint(_ now: Timestamp) -> String? {
        guard case .isCertificateAuthority? = try? certificate.extensions.basicConstraints else {
            return "this is no authority's certificate (its basic constraints do not say CA)"
        }
        if let usage = try? certificate.extensions.keyUsage, !usage.keyCertSign {
            return "this authority may not sign certificates (its key usage lacks keyCertSign)"
        }
        if let usage = try? certificate.extensions.extendedKeyUsage, !usage.contains(.clientAuth), !usage.contains(.any) {
            return "this authority may not sign clients' certificates (its extended key usage lacks clientAuth)"
        }
        guard Timestamp(certificate.notValidBefore) <= now else { return "this certificate is not valid yet" }
        guard now < expiresAt else { return "this certificate has expired" }
        guard subject.utf8.count <= 2048, !subject.contains("\0") else { return "its subject is longer than 2,048 bytes" }
        return nil
    }

    /// SHA-256 of the certificate, in hexadecimal.
    package var fingerprint: String { SHA256.hash(data: der).map { Self.hex($0) }.joined() }

    /// SHA-256 of the public key's SubjectPublicKeyInfo.
    package var keyDigest: [UInt8] {
        var serializer = DER.Serializer()
        // What was read from DER can be written as DER.
        guard (try? serializer.serialize(certificate.publicKey)) != nil else { return Array(SHA256.hash(data: der)) }
        return Array(SHA256.hash(data: serializer.serializedBytes))
    }

    package var subject: String { certificate.subject.description }
    package var expiresAt: Timestamp { Timestamp(certificate.notValidAfter) }

    /// Whether one of the two has signed the other, so that what one vouches for the other may vouch for too.
    package func isRelated(to other: ClientAuthority) -> Bool {
        certificate.isSigned(by: other.certificate) || other.certificate.isSigned(by: certificate)
    }

    /// A fingerprint as people write it, with colons and in either case; nil when it is none.
    package static func fingerprint(_ text: String) -> String? {
        let digits = text.lowercased().filter { $0 != ":" }
        return digits.utf8.count == 64 && digits.allSatisfy(\.isHexDigit) ? digits : nil
    }

    private static func hex(_ byte: UInt8) -> String {
        let digits = Array("0123456789abcdef")
        return String([digits[Int(byte >> 4)], digits[Int(byte & 15)]])
    }
}

extension Certificate {
    fileprivate func isSigned(by other: Certificate) -> Bool {
        issuer == other.subject && other.publicKey.isValidSignature(signature, for: self)
    }
}

extension Timestamp {
    init(_ date: Date) {
        self.init(microsecondsSince1970: Int64((date.timeIntervalSince1970 * 1_000_000).rounded()))
    }
}
