import Access
import ArgumentParser
import EventCore
import EventStore

struct TenantClientCA: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "client-ca",
        abstract: "Let a certificate authority vouch for a tenant's senders.",
        discussion: """
            A sender that shows a certificate of this authority needs no key: the certificate says whose it is, and names the machine. It \
            may ingest and nothing else. TLS must end at Sluice (TLS_CERT), not at a proxy. Every server follows within two seconds.
            """
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "The authority's certificate, in PEM.", completion: .file())
    var file: String?

    @Option(help: "The one source that its senders fill (default: the tenant's default, or x-source-id).")
    var source: String?

    @Flag(help: "Show the tenant's authorities.")
    var list = false

    @Option(help: "Take the authority of this SHA-256 fingerprint away: what it signed is refused from now on.")
    var remove: String?

    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard [file != nil, list, remove != nil].count(where: { $0 }) == 1 else {
            throw ValidationError("Give one of these: a certificate's file, --list, or --remove FINGERPRINT.")
        }
        guard source == nil || file != nil else { throw ValidationError("--source goes with a certificate's file.") }
    }

    func run() async throws {
        if list {
            let authorities = try await AdminSettings().administer { try await $0.clientAuthorities(tenant: tenant) }
            return try options.print(authorities.map { ClientAuthorityRow($0) })
        }
        if let remove {
            guard let fingerprint = ClientAuthority.fingerprint(remove) else {
                throw Failure("a fingerprint is 64 hexadecimal digits, with or without colons", exitCode: Failure.askedWrongly)
            }
            try options.confirm("every certificate that this authority signed will be refused")
            let removed = try await AdminSettings().administer { administration in
                try await administration.removeClientAuthority(tenant: tenant, fingerprint: fingerprint)
            }
            return try options.print(ClientAuthorityRow(removed))
        }
        let authority = try authority()
        let added = try await AdminSettings().administer { administration in
            try await administration.addClientAuthority(tenant: tenant, authority, source: source)
        }
        try options.print(ClientAuthorityRow(added))
    }

    private func authority() throws -> ClientAuthority {
        let path = file ?? ""
        do {
            return try ClientAuthority(pem: try SecretFile.read(path), now: .now())
        } catch let unusable as ClientAuthority.Unusable {
            throw Failure("\(path): \(unusable.description)", exitCode: Failure.askedWrongly)
        }
    }
}

private struct ClientAuthorityRow: Listing {
    let fingerprint: String
    let subject: String
    let expiresAt: String
    @Nullable var source: String?
    let createdAt: String

    init(_ authority: ClientAuthoritySummary) {
        fingerprint = authority.fingerprint
        subject = authority.subject
        expiresAt = authority.expiresAt.rfc3339()
        source = authority.source
        createdAt = authority.createdAt.rfc3339()
    }

    static let columns = ["fingerprint", "subject", "expires at", "source", "added at"]
    var cells: [String] { [fingerprint, subject, expiresAt, source ?? "-", createdAt] }
}
