import ArgumentParser
import EventCore
import EventStore

struct SchemaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "What a tenant's events look like.",
        subcommands: [SchemaPlanCommand.self, SchemaApply.self, SchemaList.self, SchemaShow.self, SchemaRehearse.self, SchemaBackfill.self]
    )
}

struct SchemaPlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Show what applying a schema would change; changes nothing."
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "A YAML or JSON file, - for standard input, or a template's name.")
    var schema: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let document = try SchemaFile.read(schema)
        let plan = try await AdminSettings().administer { administration in
            try await SchemaRegistry(try await administration.access(tenant: tenant)).plan(document, deadline: .now + .seconds(30))
        }
        try options.print(PlanView(plan)) { $0.text(tenant: tenant) }
    }
}

struct SchemaApply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Put a schema in force; the same one again changes nothing.",
        discussion: """
            Templates: \(SchemaTemplate.names). The first schema of a tenant becomes that of its source default. Every server uses a new \
            version within two seconds; no request is refused meanwhile.
            """
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "A YAML or JSON file, - for standard input, or a template's name.")
    var schema: String

    @Flag(help: "Apply it although events that are accepted now would be refused.")
    var allowBreaking = false

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let document = try SchemaFile.read(schema)
        let applied = try await AdminSettings().administer { administration in
            try await SchemaRegistry(try await administration.access(tenant: tenant))
                .apply(document, allowBreaking: allowBreaking, deadline: .now + .seconds(30))
        }
        try options.print(
            SchemaRow(schema: applied.inForce.name, version: applied.inForce.version, changed: !applied.plan.isUnchanged)
        )
        if applied.isViewBehind, options.output == .table {
            Console.current.error(
                "The analysts' view could not be replaced now; sluice maintain does it soon, or sluice tenant sql-access \(tenant)."
            )
        }
        let unfilled = applied.plan.toFill.map(\.field).joined(separator: ", ")
        if !unfilled.isEmpty, options.output == .table {
            Console.current.error(
                "Events stored before are found by \(unfilled) too, faster after sluice schema backfill \(tenant) \(applied.inForce.name)."
            )
        }
    }
}

struct SchemaList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Show a tenant's schemas and their versions, newest first."
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let versions = try await AdminSettings().administer { administration in
            try await SchemaRegistry(try await administration.access(tenant: tenant)).versions(deadline: .now + .seconds(30))
        }
        var seen: Set<String> = []
        try options.print(versions.map { SchemaVersionRow($0, isInForce: seen.insert($0.name).inserted) })
    }
}

struct SchemaShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Print a published schema, in its canonical form: a document that can be applied."
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "The schema's name.")
    var name: String

    @Option(help: "Another version than the one in force, like 1-0-0.")
    var version: String?

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let wanted = try await AdminSettings().administer { administration in
            try await SchemaRegistry(try await administration.access(tenant: tenant)).version(
                version,
                of: name,
                deadline: .now + .seconds(30)
            )
        }
        guard let found = wanted else {
            let what = [name, version].compactMap { $0 }.joined(separator: " ")
            throw Failure("\(tenant) has no schema \(what); sluice schema list \(tenant) shows all")
        }
        Console.current.output(found.document)
    }
}

extension SchemaTemplate {
    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

private struct SchemaRow: Listing {
    let schema: String
    let version: String
    let changed: Bool

    static let columns = ["schema", "version", "changed"]
    var cells: [String] { [schema, version, changed ? "yes" : "no"] }
}

private struct SchemaVersionRow: Listing {
    let schema: String
    let version: String
    let versionNo: Int32
    let inForce: Bool
    let checksum: String
    let createdAt: String

    init(_ record: SchemaVersionRecord, isInForce: Bool) {
        schema = record.name
        version = record.version
        versionNo = record.versionNumber
        inForce = isInForce
        checksum = record.checksumText
        createdAt = record.createdAt.rfc3339()
    }

    static let columns = ["schema", "version", "no", "in force", "checksum", "created at"]
    var cells: [String] { [schema, version, String(versionNo), inForce ? "yes" : "no", String(checksum.prefix(12)), createdAt] }
}
