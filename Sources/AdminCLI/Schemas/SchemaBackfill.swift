import ArgumentParser
import EventCore
import EventStore
import Foundation

struct SchemaBackfill: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backfill",
        abstract: "Fill in the slots of events that were stored before a field was indexed, renamed or given another type.",
        discussion: """
            Queries are right without it, and slower. A partition at a time, oldest first; ended half-way, it goes on when it is run again. \
            What it fills in within the hour after a version was published is relied upon once it was run again after that hour.
            """
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "The schema's name; all of the tenant's when it is left out.")
    var schema: String?

    @Option(help: "Look at no more rows a second.")
    var rate = 5_000

    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard (1...1_000_000).contains(rate) else { throw ValidationError("--rate is a number from 1 to 1000000.") }
    }

    func run() async throws {
        let showsProgress = isatty(STDERR_FILENO) == 1
        let console = Console.current
        let reports = try await AdminSettings().administer { administration in
            let access = try await administration.access(tenant: tenant)
            let versions = try await SchemaRegistry(access).versions(deadline: .now + .seconds(30))
            let fill = try await administration.slotFill(tenant: tenant)
            var reports: [SlotFill.Report] = []
            for name in schema.map({ [$0] }) ?? Set(versions.map(\.name)).sorted() {
                reports.append(
                    try await fill.run(name, rowsPerSecond: rate) { month, filled in
                        if showsProgress { console.error("\(name) \(month.rfc3339().prefix(7)): \(filled) filled in") }
                    }
                )
            }
            return reports
        }
        try options.print(reports.map(FillRow.init))
    }
}

private struct FillRow: Listing {
    let schema: String
    let version: String
    let filled: Int
    @Nullable var againAfter: String?

    init(_ report: SlotFill.Report) {
        schema = report.schema
        version = report.version
        filled = report.filled
        againAfter = report.openUntil?.rfc3339()
    }

    static let columns = ["schema", "version", "filled in", "again after"]
    var cells: [String] { [schema, version, String(filled), againAfter ?? "-"] }
}
