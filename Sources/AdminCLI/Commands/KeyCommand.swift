import Access
import ArgumentParser
import EventCore
import EventStore

struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "API keys.",
        subcommands: [
            KeyCreate.self, KeyList.self, KeyShow.self, KeyRotate.self, KeyRevoke.self, KeyImport.self,
        ]
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

    @Option(help: "How long it holds, like 90d or 12h; without it, until it is revoked.")
    var expires: TimeSpan?

    @OptionGroup var options: OutputOptions

    func validate() throws {
        if expires?.seconds == 0 { throw ValidationError("--expires is at least 1s.") }
    }

    func run() async throws {
        let (key, bound) = try await AdminSettings().administer { administration in
            // First: once there is a key, nothing may keep it from being shown.
            let bound = kind == .hook ? try await administration.sources(tenant: tenant).first { $0.slug == source } : nil
            let key = try await administration.createKey(
                tenant: tenant,
                kind: kind,
                source: source,
                name: name,
                expiresAt: expires?.fromNow
            )
            return (key, bound)
        }
        try options.print(NewKey(key: key.text, id: key.id.text, kind: kind.rawValue, source: source, name: name))
        NewKey.remind(options)
        bound?.warnOfLostRefusals(tenant: tenant)
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
        let keyID = try KeyArgument.id(id, tenant: tenant)
        let key = try await AdminSettings().administer { administration in
            try await administration.revokeKey(tenant: tenant, id: keyID)
            return try await administration.keys(tenant: tenant).first { $0.id == keyID }
        }
        if let key { try options.print(KeyRow(key)) }
    }
}
