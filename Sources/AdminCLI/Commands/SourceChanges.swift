import ArgumentParser
import EventCore
import EventStore

struct SourceUpdate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update",
        abstract: "Give a source another sender profile or another schema.",
        discussion: """
            What is stored stays as it is, read by the version that it was stored with; what is in quarantine is replayed with the new \
            schema. What makes two deliveries the same event hangs on the profile and the schema too: an event that was delivered before \
            the change and is sent again after it may be stored twice. Senders of two kinds need two sources.
            """
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "The source's slug.")
    var slug: String

    @Option(help: "How its sender behaves: privileges-webhook, fluent-bit or generic.")
    var profile: SenderProfile?

    @Option(help: "The schema its new records are read with.")
    var schema: String?

    @Flag(help: "Keep whole records, read with no schema.")
    var noSchema = false

    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard profile != nil || schema != nil || noSchema else {
            throw ValidationError("Say what to change: --profile, --schema or --no-schema.")
        }
        guard schema == nil || !noSchema else { throw ValidationError("--schema and --no-schema exclude each other.") }
    }

    func run() async throws {
        let change = noSchema ? SourceSchemaChange.nothing : schema.map(SourceSchemaChange.named)
        let (source, keys) = try await AdminSettings().administer { administration in
            (
                try await administration.updateSource(tenant: tenant, source: slug, profile: profile, schema: change),
                profile == nil ? [] : try await administration.keys(tenant: tenant)
            )
        }
        try options.print(SourceRow(source))
        if keys.contains(where: { $0.isHook(for: slug) }) { source.warnOfLostRefusals(tenant: tenant) }
    }
}

struct SourceDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a source that nothing is bound to any more; its events stay.",
        discussion: """
            Its keys must be revoked, its client authorities removed, and its quarantine replayed or purged before. Its events are read without \
            a source's name from then on. A sender that still names it is answered as for any unknown source, and OPEN_PRIVILEGES_SOURCE must \
            not name it. A source made again with its slug is another one: an event that the first one has, sent again, is stored again.
            """
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "The source's slug.")
    var slug: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let (found, activity) = try await AdminSettings().administer { administration in
            (try await administration.source(tenant: tenant, slug: slug), try await administration.activity(tenant: tenant))
        }
        let heard = activity[found.id].map { "was heard of at \($0.lastRequestAt.rfc3339()) for the last time" } ?? "was never heard of"
        try options.confirm("Delete the source \(slug) of \(tenant), which \(heard), and whose events stay without its name")
        let source = try await AdminSettings().administer { administration in
            try await administration.deleteSource(tenant: tenant, source: slug)
        }
        try options.print(SourceRow(source))
    }
}
