import Access
import AsyncHTTPClient
import Configuration
import NIOCore
import NIOHTTP1
import NIOSSL

/// Fetches an issuer's key set: https only, no redirects, at most 64 KiB, within two seconds, and only from addresses that an operator
/// allows. A URL that a tenant's identity provider gave must not lead the server into its own network.
struct KeySetDownload: Sendable {
    struct Settings: Sendable {
        /// Networks beyond the public Internet that key sets may come from (`JWKS_ALLOW_PRIVATE`).
        var allowedNetworks: [Network] = []
        /// Certificates that sign those of an inner provider, beside the system's (`JWKS_CA_FILE`).
        var certificateFile: String?
        /// For everything from the name's look-up to the answer's last byte.
        var timeout = Duration.seconds(2)
    }

    struct Failed: Error, CustomStringConvertible {
        /// Says nothing of the answer.
        let description: String
    }

    private let settings: Settings
    private let resolve: @Sendable (String) async throws -> [NetworkAddress]

    init(
        _ settings: Settings,
        resolve: (@Sendable (String) async throws -> [NetworkAddress])? = nil
    ) {
        self.settings = settings
        self.resolve = resolve ?? { try await HostResolver.addresses(of: $0, timeout: settings.timeout) }
    }

    func fetch(_ address: KeySetAddress) async throws -> IssuerKeySet {
        try await withThrowingTaskGroup(of: IssuerKeySet.self) { group in
            group.addTask { try await self.download(address) }
            group.addTask {
                try await Task.sleep(for: settings.timeout)
                throw Failed(description: "the key set did not come in time")
            }
            defer { group.cancelAll() }
            guard let keys = try await group.next() else { throw CancellationError() }
            return keys
        }
    }

    func isAllowed(_ address: NetworkAddress) -> Bool {
        address.isPublic || settings.allowedNetworks.contains { $0.contains(address) }
    }

    private func download(_ address: KeySetAddress) async throws -> IssuerKeySet {
        guard let target = try await resolve(address.host).first(where: isAllowed) else {
            throw Failed(description: "the key set's host has no address that may be connected to (JWKS_ALLOW_PRIVATE)")
        }
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: try configuration(host: address.host, target: target))
        do {
            let bytes = try await get(address, client)
            try await client.shutdown()
            guard let records = PublicKeyRecord.readPublished(bytes) else { throw Failed(description: "the answer is no JWK set") }
            return await IssuerKeySet(records)
        } catch {
            try? await client.shutdown()
            throw error
        }
    }

    private func get(_ address: KeySetAddress, _ client: HTTPClient) async throws -> [UInt8] {
        var request = HTTPClientRequest(url: address.text)
        request.headers.add(name: "accept", value: "application/json, application/jwk-set+json")
        let response = try await client.execute(request, timeout: TimeAmount(settings.timeout))
        guard response.status == .ok else { throw Failed(description: "the key set's server answered \(response.status.code)") }
        return Array(buffer: try await response.body.collect(upTo: PublicKeyRecord.maximumBytes))
    }

    /// Connects to the address that was checked, whatever the name leads to a moment later; the certificate is still the name's.
    private func configuration(host: String, target: NetworkAddress) throws -> HTTPClient.Configuration {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let file = settings.certificateFile { tls.additionalTrustRoots = [.file(file)] }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        configuration.httpVersion = .http1Only
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout = .init(connect: TimeAmount(settings.timeout), read: TimeAmount(settings.timeout))
        configuration.dnsOverride = [host: target.text]
        return configuration
    }
}

extension KeySetDownload.Settings {
    init(_ config: ConfigReader) throws {
        let networks = config.string(forKey: "jwks.allow.private", default: "").split { $0 == "," || $0 == " " }
        allowedNetworks = networks.compactMap { Network(String($0)) }
        guard allowedNetworks.count == networks.count else {
            throw APIConfiguration.Invalid(description: "JWKS_ALLOW_PRIVATE is a list of networks, like 10.1.0.0/16,192.168.7.9")
        }
        certificateFile = config.string(forKey: "jwks.ca.file").flatMap { $0.isEmpty ? nil : $0 }
    }
}
