package import EventCore
import Foundation
import SwiftASN1
import X509

/// An authority and the tenant that it vouches for.
package struct ClientAuthorityRecord: Sendable, Hashable {
    package var authority: ClientAuthority
    package var tenant: TenantID
    package var tenantSlug: String
    package var retentionDays: Int
    package var isSuspended: Bool
    /// The one source that its senders fill, if there is one.
    package var source: SourceID?
    package var limits: TenantLimits

    package init(
        authority: ClientAuthority,
        tenant: TenantID,
        tenantSlug: String,
        retentionDays: Int,
        isSuspended: Bool,
        source: SourceID?,
        limits: TenantLimits
    ) {
        self.authority = authority
        self.tenant = tenant
        self.tenantSlug = tenantSlug
        self.retentionDays = retentionDays
        self.isSuspended = isSuspended
        self.source = source
        self.limits = limits
    }
}

/// Whose a connection's client certificate is.
package struct CertifiedSender: Sendable {
    let identity: Identity
    /// What the certificate calls its holder.
    package let machine: String?

    package var tenant: TenantID { identity.grant.tenant }
}

/// What was found out about a certificate, and until when that holds at the most.
package struct CertificateVerdict: Sendable {
    /// Nil: no tenant's.
    package let sender: CertifiedSender?
    package let until: Timestamp
}

/// All tenants' authorities at one moment. Two that are the same object have not changed.
package final class ClientAuthorities: Sendable {
    /// Of a presented chain: what a handshake may make this server look at.
    package static let longestChain = 6
    /// Of it, in bytes.
    package static let largestChain = 32 << 10
    /// What is no tenant's is looked at again after so long, for clocks go on: one that is not valid yet, say.
    private static let patience: Int64 = 60_000_000

    package let records: [ClientAuthorityRecord]
    private let bySubject: [DistinguishedName: Set<TenantID>]

    package init(_ records: [ClientAuthorityRecord]) {
        self.records = records
        var bySubject: [DistinguishedName: Set<TenantID>] = [:]
        for record in records { bySubject[record.authority.certificate.subject, default: []].insert(record.tenant) }
        self.bySubject = bySubject
    }

    package var isEmpty: Bool { records.isEmpty }

    /// Looks for the one tenant whose authorities vouch for a certificate. One that two tenants' do is nobody's.
    ///
    /// - Parameter chain: as presented, the client's own certificate first; its key is known to be the client's by the handshake.
    package func judge(_ chain: [[UInt8]], now: Timestamp) async -> CertificateVerdict {
        let nobody = CertificateVerdict(sender: nil, until: Timestamp(microsecondsSince1970: now.microsecondsSince1970 + Self.patience))
        guard (1...Self.longestChain).contains(chain.count), chain.allSatisfy({ $0.count <= ClientAuthority.largestCertificate }) else {
            return nobody
        }
        let certificates = chain.compactMap { try? Certificate(derEncoded: $0) }
        guard certificates.count == chain.count, let own = certificates.first else { return nobody }
        let between = Self.between(own, certificates.dropFirst())
        let tenants = ([own] + between).reduce(into: Set<TenantID>()) { $0.formUnion(bySubject[$1.issuer] ?? []) }
        var found: [CertificateVerdict] = []
        for tenant in tenants {
            if let verdict = await judge(own, between, of: tenant) { found.append(verdict) }
        }
        guard found.count == 1, let verdict = found.first else { return nobody }
        return verdict
    }

    /// As TLS has them, each one's issuer behind it, and no name twice: of certificates that all sign each other there is one way up,
    /// and a stranger's handshake costs a handful of signatures.
    private static func between(_ own: Certificate, _ others: ArraySlice<Certificate>) -> [Certificate] {
        var between: [Certificate] = []
        var names: Set = [own.subject]
        for certificate in others {
            guard certificate.subject == (between.last ?? own).issuer, names.insert(certificate.subject).inserted else { break }
            between.append(certificate)
        }
        return between
    }

    private func judge(_ own: Certificate, _ between: [Certificate], of tenant: TenantID) async -> CertificateVerdict? {
        let candidates = records.filter { $0.tenant == tenant }
        var verifier = Verifier(rootCertificates: CertificateStore(candidates.map(\.authority.certificate))) {
            RFC5280Policy()
            ClientCertificatePolicy()
        }
        guard
            case .validCertificate(let chain) = await verifier.validate(leaf: own, intermediates: CertificateStore(between)),
            let record = candidates.first(where: { $0.authority.certificate == chain.last }),
            let expiry = chain.map(\.notValidAfter).min()
        else { return nil }
        let grant = Grant(
            tenant: record.tenant,
            tenantSlug: record.tenantSlug,
            retentionDays: record.retentionDays,
            scopes: [.ingest, .hook],
            source: record.source,
            bearer: .certificate(authority: record.authority.fingerprint, serialNumber: own.serialNumber.description),
            limits: record.limits,
            machine: own.holderName
        )
        let sender = CertifiedSender(identity: Identity(grant: grant, isSuspended: record.isSuspended), machine: grant.machine)
        return CertificateVerdict(sender: sender, until: Timestamp(expiry))
    }
}

/// Where authorities are looked up.
package protocol ClientAuthorityLookup: Sendable {
    /// Throws when that cannot be known now.
    func authorities() async throws -> ClientAuthorities

    /// What is known without a wait: nil when `authorities` must be asked.
    func knownAuthorities() -> ClientAuthorities?
}

extension Certificate {
    /// The common name, else the first DNS name; nil when there is neither, or it is nothing that could stand in a column.
    fileprivate var holderName: String? {
        let common = subject.reversed().lazy.flatMap { $0 }.first { $0.type == .RDNAttributeType.commonName }
        if let name = common.flatMap({ String($0.value) }).flatMap(Self.usable) { return name }
        guard let alternatives = try? extensions.subjectAlternativeNames else { return nil }
        for case .dnsName(let name) in alternatives {
            if let name = Self.usable(name) { return name }
        }
        return nil
    }

    private static func usable(_ name: String) -> String? {
        let isUsable =
            (1...AcceptedEvent.longestIndexedValue).contains(name.utf8.count)
            && name.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        return isUsable ? name : nil
    }
}
