import Foundation
import NIOCore
import NIOSSL

/// A certificate and its key, ready to shake hands with.
struct TLSPair: Sendable {
    /// Says which file and what is wrong with it, and nothing of what it holds.
    struct Unusable: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) {
            self.description = description
        }
    }

    /// For connections that are asked for nothing.
    let context: NIOSSLContext
    /// Asks clients for a certificate; one that has none goes on without.
    private(set) var askingContext: NIOSSLContext
    private let askingConfiguration: TLSConfiguration
    /// Seconds since 1970.
    let expires: Int
    /// What an operator should know, though it works.
    let warnings: [String]

    init(_ files: TLSFiles) throws(Unusable) {
        let (certificateBytes, _) = try TLSFiles.contents(of: files.certificate, named: "TLS_CERT")
        let (keyBytes, isOpenToAll) = try TLSFiles.contents(of: files.key, named: "TLS_KEY")
        guard let chain = try? NIOSSLCertificate.fromPEMBytes(certificateBytes), let own = chain.first else {
            throw Unusable("TLS_CERT holds no certificate in PEM: \(files.certificate)")
        }
        guard let key = try? NIOSSLPrivateKey(bytes: keyBytes, format: .pem) else {
            throw Unusable("TLS_KEY holds no key in PEM that can be read without a passphrase: \(files.key)")
        }
        let configuration = Self.configuration(chain, key)
        askingConfiguration = Self.asking(configuration)
        guard let context = try? NIOSSLContext(configuration: configuration),
            let askingContext = try? NIOSSLContext(configuration: askingConfiguration)
        else {
            throw Unusable("TLS_KEY is not the key of the first certificate in TLS_CERT: \(files.key), \(files.certificate)")
        }
        self.context = context
        self.askingContext = askingContext
        expires = Int(own.notValidAfter)
        var warnings: [String] = []
        if isOpenToAll { warnings.append("everybody on this machine may read the file of TLS_KEY") }
        if expires <= time(nil) { warnings.append("the certificate of TLS_CERT has expired") }
        self.warnings = warnings
    }

    /// Sessions that were begun by showing a certificate are not resumed any more.
    mutating func forgetSessions() {
        guard let fresh = try? NIOSSLContext(configuration: askingConfiguration) else { return }
        askingContext = fresh
    }

    private static func configuration(_ chain: [NIOSSLCertificate], _ key: NIOSSLPrivateKey) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(key)
        )
        configuration.minimumTLSVersion = .tlsv12
        // Of TLS 1.2 only what has forward secrecy and authenticated encryption; TLS 1.3 has nothing else.
        configuration.cipherSuiteValues = [
            .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ]
        configuration.applicationProtocols = ["http/1.1"]
        // A sender whose connection is closed on it need not agree.
        configuration.shutdownTimeout = .seconds(1)
        return configuration
    }

    /// Without a list of authorities: it would tell everybody who connects whose tenants are here.
    private static func asking(_ configuration: TLSConfiguration) -> TLSConfiguration {
        var configuration = configuration
        configuration.certificateVerification = .optionalVerification
        configuration.trustRoots = .certificates([])
        configuration.sendCANameList = false
        return configuration
    }
}
