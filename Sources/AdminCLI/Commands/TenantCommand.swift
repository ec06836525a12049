import ArgumentParser
import EventCore
import EventStore

struct TenantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenant",
        abstract: "Organisations.",
        subcommands: [
            TenantCreate.self, TenantList.self, TenantShow.self, TenantUpdate.self, TenantSuspend.self, TenantResume.self,
            TenantHoldCommand.self, TenantRelease.self, TenantSQLAccess.self, TenantClientCA.self, TenantDelete.self,
        ]
    )
}

struct TenantCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a tenant, with a source called default."
    )

    @Argument(help: "Its short name: a-z, 0-9 and hyphens, like acme.")
    var slug: String

    @Option(help: "Its name, as people write it.")
    var name: String?

    @Option(help: "Events older than this many days are gone (default: DATABASE_RETENTION_DAYS, else 90).")
    var retentionDays: Int?

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let settings = AdminSettings()
        let tenant = try await settings.administer { administration in
            try await administration.createTenant(
                slug: slug,
                name: name ?? slug,
                retentionDays: try retentionDays ?? settings.retentionDays
            )
        }
        try options.print(TenantRow(tenant))
    }
}

struct TenantList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show all tenants.")

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let tenants = try await AdminSettings().administer { try await $0.tenants() }
        try options.print(tenants.map(TenantRow.init))
    }
}

struct TenantRow: Listing {
    let slug: String
    let name: String
    let retentionDays: Int
    let suspended: Bool
    let createdAt: String

    init(_ tenant: TenantRecord) {
        slug = tenant.slug
        name = tenant.name
        retentionDays = tenant.retentionDays
        suspended = tenant.isSuspended
        createdAt = tenant.createdAt.rfc3339()
    }

    static let columns = ["tenant", "name", "retention days", "suspended", "created at"]
    var cells: [String] { [slug, name, String(retentionDays), suspended ? "yes" : "no", createdAt] }
}
