import Access
import ArgumentParser
import EventCore
import EventStore

struct ProfileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile",
        abstract: "What senders need, filled in and with a fresh credential.",
        subcommands: [ProfileMobileconfig.self, ProfileFluentBit.self]
    )
}

/// What both kinds take.
struct ProfileOptions: ParsableArguments {
    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "The source's slug.")
    var source: String

    @Option(help: "Where senders reach the server, like https://sluice.example.com (default: PUBLIC_URL, else a running sluice up).")
    var url: String?

    /// The server's address: the option, the environment, or the `sluice up` of this folder.
    func address() throws -> ServerAddress {
        let settings = AdminSettings()
        guard let text = url ?? settings.publicURL ?? (try? DemoFile.read(settings.home).baseURL) else {
            throw Failure(
                "say where senders reach the server: --url https://sluice.example.com, or PUBLIC_URL",
                exitCode: Failure.askedWrongly
            )
        }
        return try ServerAddress(text)
    }

    /// The source, which must be this sender's.
    func schema(_ administration: Administration, of profile: SenderProfile) async throws -> SourceSchema {
        let found = try await administration.sourceSchema(tenant: tenant, source: source)
        guard found.profile == profile else {
            throw Failure(
                "\(source) has the profile \(found.profile.rawValue); this needs \(profile.rawValue): "
                    + "sluice source update \(tenant) \(source) --profile \(profile.rawValue), or a source of its own when others send to it",
                exitCode: Failure.askedWrongly
            )
        }
        return found
    }

    /// Makes a key for the source and hands it on; what cannot be handed on is revoked again, for nobody has it then.
    func withFreshKey(_ administration: Administration, kind: KeyKind, name: String, _ body: (APIKey) throws -> Void) async throws -> KeyID
    {
        let key = try await administration.createKey(tenant: tenant, kind: kind, source: source, name: name)
        do {
            try body(key)
        } catch {
            try await administration.revokeKey(tenant: tenant, id: key.id)
            throw error
        }
        return key.id
    }
}

/// What was made, without its secret.
struct ProfileRow: Listing {
    let out: String
    let server: String
    let source: String
    @Nullable var keyID: String?

    enum CodingKeys: String, CodingKey {
        case out, server, source
        case keyID = "key_id"
    }

    static let columns = ["out", "server", "source", "key"]
    var cells: [String] { [out, server, source, keyID ?? "-"] }
}
