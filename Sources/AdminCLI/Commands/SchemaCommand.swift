import ArgumentParser
import EventCore
import EventStore

struct SchemaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "What a tenant's events look like.",
        subcommands: [SchemaApply.self]
    )
}

struct SchemaApply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Put a schema in force; the same one again changes nothing.",
        discussion: "Templates: \(SchemaTemplate.names). The first schema of a tenant becomes that of its source default."
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "A template's name.")
    var schema: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        guard let template = SchemaTemplate(rawValue: schema) else {
            throw ValidationError("There is no template \(schema): this release applies \(SchemaTemplate.names).")
        }
        let document = try SchemaDocument(yaml: template.yaml)
        let version = try await AdminSettings().administer { administration in
            try await administration.applySchema(tenant: tenant, document: document)
        }
        try options.print(SchemaRow(schema: version.name, version: version.version))
    }
}

extension SchemaTemplate {
    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

private struct SchemaRow: Listing {
    let schema: String
    let version: String

    static let columns = ["schema", "version"]
    var cells: [String] { [schema, version] }
}
