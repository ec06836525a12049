import ArgumentParser
import EventCore
import EventStore

struct SourceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "source",
        abstract: "The named streams of a tenant: a sender profile and a schema.",
        subcommands: [SourceCreate.self, SourceList.self, SourceShow.self, SourceUpdate.self, SourceDelete.self]
    )
}

extension SenderProfile: ExpressibleByArgument {}

struct SourceCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "create", abstract: "Make a source.")

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "The source's slug, like mac-fleet.")
    var slug: String

    @Option(help: "How its sender behaves: privileges-webhook, fluent-bit or generic.")
    var profile: SenderProfile = .generic

    @Option(help: "The schema its records are read with; without one, whole records are kept.")
    var schema: String?

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let source = try await AdminSettings().administer { administration in
            try await administration.createSource(tenant: tenant, slug: slug, profile: profile, schemaName: schema)
        }
        try options.print(SourceRow(source))
    }
}

struct SourceList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show a tenant's sources.")

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let (sources, activity) = try await AdminSettings().administer { administration in
            (try await administration.sources(tenant: tenant), try await administration.activity(tenant: tenant))
        }
        try options.print(sources.map { ListedSource($0, activity[$0.id]) })
    }
}

struct SourceShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a source: its profile and schema, when it was heard of, and what is bound to it."
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "The source's slug.")
    var slug: String

    @OptionGroup var options: OutputOptions

    /// With its keys and authorities as members.
    private struct Shown: Listing {
        let source: ListedSource
        let keys: [KeyRow]
        /// Fingerprints.
        let clientAuthorities: [String]

        static let columns = ListedSource.columns + ["client authorities"]
        var cells: [String] { source.cells + [clientAuthorities.isEmpty ? "-" : clientAuthorities.joined(separator: " ")] }
    }

    func run() async throws {
        let (source, activity, keys, authorities) = try await AdminSettings().administer { administration in
            (
                try await administration.source(tenant: tenant, slug: slug),
                try await administration.activity(tenant: tenant),
                try await administration.keys(tenant: tenant),
                try await administration.clientAuthorities(tenant: tenant)
            )
        }
        let rows = keys.filter { $0.source == slug && $0.revokedAt == nil }.map(KeyRow.init)
        try options.print(
            Shown(
                source: ListedSource(source, activity[source.id]),
                keys: rows,
                clientAuthorities: authorities.filter { $0.source == slug }.map(\.fingerprint)
            )
        )
        guard options.output == .table, !rows.isEmpty else { return }
        Console.current.output("")
        try options.print(rows)
    }
}
