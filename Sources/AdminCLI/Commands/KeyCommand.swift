import Access
import ArgumentParser
import EventCore
import EventStore

struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "API keys.",
        subcommands: [KeyCreate.self, KeyList.self, KeyRevoke.self]
    )
}

extension KeyKind: ExpressibleByArgument {}

struct KeyCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a key and show it, once.",
        discussion: "Kinds: ing ingests; hook ingests, by URL only; qry queries and exports; adm does all within its tenant."
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Option(help: "ing, hook, qry or adm.")
    var kind: KeyKind

    @Option(help: "The one source it may write to.")
    var source: String?

    @Option(help: "What it is for, as lists and logs show it.")
    var name = ""

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let key = try await AdminSettings().administer { administration in
            try await administration.createKey(tenant: tenant, kind: kind, source: source, name: name)
        }
        try options.print(NewKey(key: key.text, id: key.id.text, kind: kind.rawValue, source: source, name: name))
        if options.output == .table { Console.current.error("Keep the key now: it is not stored and cannot be shown again.") }
    }
}

struct KeyList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show a tenant's keys, without their secrets.")

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let keys = try await AdminSettings().administer { try await $0.keys(tenant: tenant) }
        try options.print(keys.map(KeyRow.init))
    }
}

struct KeyRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Close a key for good; every server refuses it within two seconds."
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "The key's id: the ten characters after its kind, as key list shows them.")
    var id: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        guard let keyID = KeyID(id) else {
            throw ValidationError("A key's id has ten letters and digits; sluice key list \(tenant) shows them. Never pass the key itself.")
        }
        let key = try await AdminSettings().administer { administration in
            try await administration.revokeKey(tenant: tenant, id: keyID)
            return try await administration.keys(tenant: tenant).first { $0.id == keyID }
        }
        if let key { try options.print(KeyRow(key)) }
    }
}

private struct NewKey: Listing {
    let key: String
    let id: String
    let kind: String
    @Nullable var source: String?
    let name: String

    static let columns = ["key", "id", "kind", "source", "name"]
    var cells: [String] { [key, id, kind, source ?? "-", name] }
}

private struct KeyRow: Listing {
    let id: String
    let kind: String
    @Nullable var source: String?
    let name: String
    let createdAt: String
    @Nullable var expiresAt: String?
    @Nullable var revokedAt: String?

    init(_ key: KeySummary) {
        id = key.id.text
        kind = key.kind.rawValue
        source = key.source
        name = key.name
        createdAt = key.createdAt.rfc3339()
        expiresAt = key.expiresAt?.rfc3339()
        revokedAt = key.revokedAt?.rfc3339()
    }

    static let columns = ["id", "kind", "source", "name", "created at", "expires at", "revoked at"]
    var cells: [String] { [id, kind, source ?? "-", name, createdAt, expiresAt ?? "-", revokedAt ?? "-"] }
}
