import Access
import ArgumentParser
import EventCore
import EventStore

struct TenantUpdate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update",
        abstract: "Change a tenant's name, retention or limits; every server goes by it within two seconds.",
        discussion: """
            Limits: \(TenantLimits.Name.allCases.map(\.rawValue).joined(separator: ", ")). A value of none takes one away. Each server \
            keeps its part of them: set REPLICAS where there are several.
            """
    )

    @Argument(help: "The tenant's slug.")
    var slug: String

    @Option(help: "Its name, as people write it.")
    var name: String?

    @Option(help: "Events older than this many days are gone.")
    var retentionDays: Int?

    @Option(help: "NAME=NUMBER or NAME=none; may be given more than once.")
    var limit: [LimitArgument] = []

    @OptionGroup var options: OutputOptions

    func run() async throws {
        var changes = TenantChanges(name: name, retentionDays: retentionDays)
        for limit in limit { changes.limits.updateValue(limit.value, forKey: limit.name) }
        guard !changes.isEmpty else { throw ValidationError("Say what to change: --name, --retention-days or --limit.") }
        let (tenant, stored) = try await AdminSettings().administer { [changes] in try await $0.updateTenant(slug: slug, changes) }
        try options.print(TenantDetail(tenant, storedThisMonth: stored))
    }
}

struct TenantShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show a tenant, its limits and its month.")

    @Argument(help: "The tenant's slug.")
    var slug: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let (tenant, stored) = try await AdminSettings().administer { try await $0.tenantWithUsage(slug: slug) }
        try options.print(TenantDetail(tenant, storedThisMonth: stored))
    }
}

struct TenantSuspend: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suspend",
        abstract: "Let a tenant in no more: readers get 403, senders are told to keep what they have."
    )

    @Argument(help: "The tenant's slug.")
    var slug: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        try options.print(TenantRow(try await AdminSettings().administer { try await $0.suspendTenant(slug: slug, true) }))
    }
}

struct TenantResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "resume", abstract: "End a tenant's suspension.")

    @Argument(help: "The tenant's slug.")
    var slug: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        try options.print(TenantRow(try await AdminSettings().administer { try await $0.suspendTenant(slug: slug, false) }))
    }
}

/// `events_per_second=1000`, `events_per_month=none`.
struct LimitArgument: ExpressibleByArgument, Sendable {
    let name: TenantLimits.Name
    let value: Int?

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let name = TenantLimits.Name(rawValue: String(parts[0])) else { return nil }
        guard parts[1] != "none" else {
            (self.name, value) = (name, nil)
            return
        }
        guard let number = Int(parts[1]), TenantLimits.allowed.contains(number) else { return nil }
        (self.name, value) = (name, number)
    }
}

/// A tenant with its limits.
private struct TenantDetail: Listing {
    let slug: String
    let name: String
    let retentionDays: Int
    let suspended: Bool
    let createdAt: String
    let limits: [String: Int]
    let storedThisMonth: Int

    init(_ tenant: TenantRecord, storedThisMonth: Int) {
        slug = tenant.slug
        name = tenant.name
        retentionDays = tenant.retentionDays
        suspended = tenant.isSuspended
        createdAt = tenant.createdAt.rfc3339()
        limits = Dictionary(
            TenantLimits.Name.allCases.compactMap { name in tenant.limits[name].map { (name.rawValue, $0) } },
            uniquingKeysWith: { first, _ in first }
        )
        self.storedThisMonth = storedThisMonth
    }

    static let columns =
        ["tenant", "name", "retention days", "suspended", "created at"]
        + TenantLimits.Name.allCases.map { $0.rawValue.replacing("_", with: " ") } + ["stored this month"]
    var cells: [String] {
        [slug, name, String(retentionDays), suspended ? "yes" : "no", createdAt]
            + TenantLimits.Name.allCases.map { limits[$0.rawValue].map { String($0) } ?? "none" }
            + [String(storedThisMonth)]
    }
}
