import Access
import ArgumentParser
import EventCore
import EventStore

struct IssuerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "issuer",
        abstract: "Who may issue tokens (JWT) for a tenant.",
        subcommands: [IssuerAdd.self, IssuerList.self, IssuerRemove.self]
    )
}

struct IssuerList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show a tenant's issuers, without secrets.")

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let issuers = try await AdminSettings().administer { try await $0.issuers(tenant: tenant) }
        try options.print(issuers.map { IssuerRow($0) })
    }
}

struct IssuerRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Refuse an issuer's tokens from now on; every server does within two seconds."
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "The issuer's id, as issuer list shows it.")
    var id: Int32

    @OptionGroup var options: OutputOptions

    func run() async throws {
        try options.confirm("every token of issuer \(id) will be refused")
        let removed = try await AdminSettings().administer { administration in
            try await administration.removeIssuer(tenant: tenant, id: IssuerID(rawValue: id))
        }
        try options.print(IssuerRow(removed))
    }
}

struct IssuerRow: Listing {
    let id: Int32
    let iss: String
    let aud: String
    let algorithms: [String]
    /// Ids of public keys, or of the secret.
    let kids: [String]
    @Nullable var jwksURL: String?
    let scopes: [String]
    let onExpired: String
    let maxLifetime: String
    let createdAt: String
    /// The file with the private key, when it was made now.
    @Nullable var keyFile: String?

    init(_ issuer: IssuerSummary, keyFile: String? = nil) {
        id = issuer.id.rawValue
        iss = issuer.issuer
        aud = issuer.audience
        algorithms = issuer.algorithms
        switch issuer.keys {
        case .set(let ids):
            kids = ids
            jwksURL = nil
        case .address(let address):
            kids = []
            jwksURL = address
        case .secret(let id):
            kids = [id]
            jwksURL = nil
        }
        scopes = issuer.scopes
        onExpired = issuer.onExpired.rawValue
        maxLifetime = TimeSpan(seconds: issuer.maximumLifetime).description
        createdAt = issuer.createdAt.rfc3339()
        self.keyFile = keyFile
    }

    enum CodingKeys: String, CodingKey {
        case id, iss, aud, algorithms, kids
        case jwksURL = "jwks_url"
        case scopes, onExpired, maxLifetime, createdAt, keyFile
    }

    static let columns = ["id", "iss", "aud", "algorithms", "keys", "scopes", "on expired", "max lifetime", "created at"]
    var cells: [String] {
        [
            String(id), iss, aud, algorithms.joined(separator: " "), jwksURL ?? kids.joined(separator: " "), scopes.joined(separator: " "),
            onExpired, maxLifetime, createdAt,
        ]
    }
}
