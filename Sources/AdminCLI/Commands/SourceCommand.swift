import ArgumentParser
import EventCore
import EventStore

struct SourceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "source",
        abstract: "The named streams of a tenant: a sender profile and a schema.",
        subcommands: [SourceCreate.self, SourceUpdate.self, SourceList.self]
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

struct SourceUpdate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update",
        abstract: "Give a source another sender profile.",
        discussion: """
            What is stored and what is in quarantine stays as it is. What makes two deliveries the same event hangs on the profile too: an \
            event that was delivered before the change and is sent again after it may be stored twice. Senders of two kinds need two sources.
            """
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "The source's slug.")
    var slug: String

    @Option(help: "How its sender behaves: privileges-webhook, fluent-bit or generic.")
    var profile: SenderProfile

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let (source, keys) = try await AdminSettings().administer { administration in
            (
                try await administration.setProfile(tenant: tenant, source: slug, profile: profile),
                try await administration.keys(tenant: tenant)
            )
        }
        try options.print(SourceRow(source))
        if keys.contains(where: { $0.isHook(for: slug) }) { source.warnOfLostRefusals(tenant: tenant) }
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

private struct SourceRow: Listing {
    let slug: String
    let profile: String
    @Nullable var schema: String?
    let createdAt: String

    init(_ source: SourceRecord) {
        slug = source.slug
        profile = source.profile.rawValue
        schema = source.schemaName
        createdAt = source.createdAt.rfc3339()
    }

    static let columns = ["source", "profile", "schema", "created at"]
    var cells: [String] { [slug, profile, schema ?? "-", createdAt] }
}

/// A source, and when it was last heard of.
private struct ListedSource: Listing {
    let slug: String
    let profile: String
    @Nullable var schema: String?
    let createdAt: String
    @Nullable var lastRequestAt: String?
    @Nullable var usualGapSeconds: Double?
    let isQuiet: Bool

    init(_ source: SourceRecord, _ activity: SourceActivity?) {
        slug = source.slug
        profile = source.profile.rawValue
        schema = source.schemaName
        createdAt = source.createdAt.rfc3339()
        lastRequestAt = activity?.lastRequestAt.rfc3339()
        usualGapSeconds = activity?.usualGap.map { ($0 / .seconds(1)).rounded() }
        isQuiet = activity?.isQuiet ?? false
    }

    static let columns = ["source", "profile", "schema", "created at", "last request", "usual gap", "state"]
    var cells: [String] {
        let gap = usualGapSeconds.map { "\(Int($0)) s" } ?? "-"
        return [slug, profile, schema ?? "-", createdAt, lastRequestAt ?? "-", gap, state]
    }

    private var state: String {
        if lastRequestAt == nil { return "never heard of" }
        return isQuiet ? "quiet" : "as usual"
    }
}
