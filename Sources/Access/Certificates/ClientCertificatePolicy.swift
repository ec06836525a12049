import SwiftASN1
import X509

/// What a sender's certificate must be beyond RFC 5280's rules for chains: no authority's, and for clients.
struct ClientCertificatePolicy: VerifierPolicy {
    let verifyingCriticalExtensions: [ASN1ObjectIdentifier] = [
        .X509ExtensionID.extendedKeyUsage, .X509ExtensionID.subjectAlternativeName,
    ]

    mutating func chainMeetsPolicyRequirements(chain: UnverifiedCertificateChain) async -> PolicyEvaluationResult {
        do {
            guard chain.count > 1 else { return .failsToMeetPolicy(reason: "an authority's own certificate is no sender's") }
            if case .isCertificateAuthority? = try chain.leaf.extensions.basicConstraints {
                return .failsToMeetPolicy(reason: "an authority is no sender")
            }
            guard let usage = try chain.leaf.extensions.extendedKeyUsage, usage.contains(.clientAuth) else {
                return .failsToMeetPolicy(reason: "it is not for clients")
            }
            if let usage = try chain.leaf.extensions.keyUsage, !usage.digitalSignature {
                return .failsToMeetPolicy(reason: "its key may not sign")
            }
            for certificate in chain.dropFirst() {
                if let usage = try certificate.extensions.extendedKeyUsage, !usage.contains(.clientAuth), !usage.contains(.any) {
                    return .failsToMeetPolicy(reason: "an authority in between is not for clients")
                }
                if let usage = try certificate.extensions.keyUsage, !usage.keyCertSign {
                    return .failsToMeetPolicy(reason: "an authority in between may not sign certificates")
                }
            }
            guard chain.dropLast().allSatisfy({ $0.signatureAlgorithm != .sha1WithRSAEncryption }) else {
                return .failsToMeetPolicy(reason: "it is signed with SHA-1")
            }
            return .meetsPolicy
        } catch {
            return .failsToMeetPolicy(reason: "an extension cannot be read")
        }
    }
}
