package import Access

/// What an operator registers for a tenant.
package struct NewIssuer: Sendable {
    package enum Keys: Sendable {
        case set([PublicKeyRecord])
        case address(KeySetAddress)
        case secret(IssuerSecret)
    }

    package var issuer: String
    package var audience: String
    package var keys: Keys
    package var algorithms: Set<TokenAlgorithm>
    package var scopes: Set<Scope>
    package var onExpired: IssuerRegistration.Expired
    /// Seconds.
    package var maximumLifetime: Int64

    /// - Parameter algorithms: empty: those that the keys are usually used with.
    package init(
        issuer: String,
        audience: String,
        keys: Keys,
        algorithms: Set<TokenAlgorithm> = [],
        scopes: Set<Scope> = [.ingest],
        onExpired: IssuerRegistration.Expired = .reject,
        maximumLifetime: Int64 = 90 * 86_400
    ) {
        self.issuer = issuer
        self.audience = audience
        self.keys = keys
        self.algorithms = algorithms.isEmpty ? Self.usualAlgorithms(keys) : algorithms
        self.scopes = scopes
        self.onExpired = onExpired
        self.maximumLifetime = maximumLifetime
    }

    private static func usualAlgorithms(_ keys: Keys) -> Set<TokenAlgorithm> {
        switch keys {
        case .set(let records): Set(records.map(\.usualAlgorithm))
        case .address: [.edDSA, .es256, .rs256]
        case .secret: [.hs256]
        }
    }

    var storedSet: String? {
        guard case .set(let records) = keys else { return nil }
        return "{\"keys\":[\(records.map(\.json).joined(separator: ","))]}"
    }

    var storedAddress: String? {
        guard case .address(let address) = keys else { return nil }
        return address.text
    }

    var storedSecret: IssuerSecret? {
        guard case .secret(let secret) = keys else { return nil }
        return secret
    }

    func check() async throws {
        for (name, value) in [("iss", issuer), ("aud", audience)] {
            guard (1...512).contains(value.utf8.count), value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw StoreError(.invalid, "\(name) has 1 to 512 visible ASCII characters, like https://login.example.com")
            }
        }
        guard !scopes.isEmpty else { throw StoreError(.invalid, "an issuer needs at least one scope, like ingest") }
        guard (1...Self.longestLifetime).contains(maximumLifetime) else {
            throw StoreError(.invalid, "the longest lifetime of a token is from a second to ten years, like 90d")
        }
        guard algorithms.contains(.hs256) == (storedSecret != nil), storedSecret == nil || algorithms.count == 1 else {
            throw StoreError(.invalid, "HS256 goes with a secret, and a secret with HS256 alone")
        }
        try await checkKeys()
    }

    private static let longestLifetime: Int64 = 3_660 * 86_400

    private func checkKeys() async throws {
        switch keys {
        case .set(let records):
            do {
                try await IssuerKeySet.check(records)
            } catch {
                throw StoreError(.invalid, error.description)
            }
            for algorithm in algorithms where !records.contains(where: { $0.canVerify(algorithm) }) {
                throw StoreError(.invalid, "none of the keys is for \(algorithm.rawValue)")
            }
        case .secret(let secret):
            guard (IssuerSecret.minimumBytes...1024).contains(secret.bytes.count) else {
                throw StoreError(.invalid, "a secret has 32 to 1,024 bytes; this one has \(secret.bytes.count)")
            }
            guard (1...256).contains(secret.keyID.utf8.count), secret.keyID.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw StoreError(.invalid, "a secret's kid has 1 to 256 visible ASCII characters")
            }
        case .address:
            break
        }
    }
}
