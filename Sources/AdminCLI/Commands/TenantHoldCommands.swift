import ArgumentParser
import EventCore
import EventStore

struct TenantHoldCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold",
        abstract: "Put a tenant on legal hold: nothing of it is purged or deleted until it is released.",
        discussion: "What has expired stays invisible, but stays."
    )

    @Argument(help: "The tenant's slug.")
    var slug: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        try options.print(HoldRow(try await AdminSettings().administer { try await $0.holdTenant(slug: slug, true) }))
    }
}

struct TenantRelease: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "End a tenant's legal hold; the next retention run deletes what has expired meanwhile."
    )

    @Argument(help: "The tenant's slug.")
    var slug: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        try options.print(HoldRow(try await AdminSettings().administer { try await $0.holdTenant(slug: slug, false) }))
    }
}

struct TenantDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a tenant and all that is its own; its lines in the audit log stay.",
        discussion: """
            Its keys go first, so nothing new comes in. In small batches: ended half-way, the same command goes on. Backups keep what they \
            hold until they are pruned.
            """
    )

    @Argument(help: "The tenant's slug.")
    var slug: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        try options.confirm("Delete the tenant \(slug) with all its events")
        let erased = try await AdminSettings().withConnection { connection in
            try await Erasure(connection, actor: AdminSettings.actor).deleteTenant(slug: slug)
        }
        try options.print(ErasedListing(tenant: slug, erased))
    }
}

private struct HoldRow: Listing {
    let tenant: String
    let onHold: Bool
    @Nullable var since: String?

    init(_ hold: TenantHold) {
        tenant = hold.slug
        onHold = hold.heldAt != nil
        since = hold.heldAt?.rfc3339()
    }

    static let columns = ["tenant", "on hold", "since"]
    var cells: [String] { [tenant, onHold ? "yes" : "no", since ?? "-"] }
}

/// What was deleted of a tenant.
struct ErasedListing: Listing {
    let tenant: String
    let events: Int
    let refused: Int
    let rememberedIds: Int

    init(tenant: String, _ erased: ErasedRows) {
        self.tenant = tenant
        events = erased.events
        refused = erased.refused
        rememberedIds = erased.rememberedIDs
    }

    static let columns = ["tenant", "events deleted", "refused records deleted", "remembered ids deleted"]
    var cells: [String] { [tenant, String(events), String(refused), String(rememberedIds)] }
}
