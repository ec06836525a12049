import ArgumentParser
import EventCore
import EventStore

struct RetentionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retention",
        abstract: "What has expired: invisible at once, and gone from the disk by this.",
        subcommands: [RetentionPreviewCommand.self, RetentionRun.self]
    )
}

struct RetentionPreviewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "preview",
        abstract: "Count what a run would delete now: months, rows of each tenant, and who is on hold."
    )

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let preview = try await AdminSettings().withConnection { try await Retention($0, actor: AdminSettings.actor).preview() }
        switch options.output {
        case .json: try options.print(PreviewListing(preview))
        case .table:
            let months = preview.months.isEmpty ? "none" : preview.months.joined(separator: ", ")
            Console.current.output("Months that go whole: \(months)")
            if preview.tenants.isEmpty {
                Console.current.output("No tenant has rows to delete, and none is on hold.")
            } else {
                try options.print(preview.tenants.map(PreviewRow.init))
            }
        }
    }
}

struct RetentionRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Delete what has expired: whole months where nobody may see any of it, rows in small batches elsewhere.",
        discussion:
            "Ingest goes on meanwhile. What a run leaves half-way, because it was ended or somebody's transaction stood in its way, the next one finishes."
    )

    @OptionGroup var options: OutputOptions

    func run() async throws {
        try options.confirm("Delete what sluice retention preview shows")
        let console = Console.current
        let isTable = options.output == .table
        let outcome = try await AdminSettings().withConnection { connection in
            try await Retention(connection, actor: AdminSettings.actor).run { if isTable { console.error($0) } }
        }
        try options.print(OutcomeListing(outcome))
    }
}

private struct PreviewRow: Listing {
    let tenant: String
    let inDroppedMonths: Int
    let deleted: Int
    let refused: Int
    let rememberedIds: Int
    let held: Bool

    init(_ rows: RetentionPreview.Rows) {
        tenant = rows.tenant
        inDroppedMonths = rows.inDroppedMonths
        deleted = rows.deleted
        refused = rows.refused
        rememberedIds = rows.rememberedIDs
        held = rows.isHeld
    }

    static let columns = ["tenant", "in these months", "deleted elsewhere", "refused", "remembered ids", "on hold"]
    var cells: [String] {
        [tenant, String(inDroppedMonths), String(deleted), String(refused), String(rememberedIds), held ? "yes" : "no"]
    }
}

private struct PreviewListing: Listing {
    let asOf: String
    let months: [String]
    let tenants: [PreviewRow]

    init(_ preview: RetentionPreview) {
        asOf = preview.asOf.rfc3339()
        months = preview.months
        tenants = preview.tenants.map(PreviewRow.init)
    }

    static let columns = ["as of", "months", "tenants"]
    var cells: [String] { [asOf, months.joined(separator: ", "), String(tenants.count)] }
}

private struct OutcomeListing: Listing {
    let droppedMonths: [String]
    let waitingMonths: [String]
    let deleted: [String: Int]
    let refused: Int
    let rememberedIds: Int

    init(_ outcome: RetentionOutcome) {
        droppedMonths = outcome.droppedMonths
        waitingMonths = outcome.waitingMonths
        deleted = outcome.deleted
        refused = outcome.refused
        rememberedIds = outcome.rememberedIDs
    }

    static let columns = ["months dropped", "months left to the next run", "rows deleted", "refused records deleted", "ids forgotten"]
    var cells: [String] {
        let rows = deleted.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        return [
            droppedMonths.isEmpty ? "none" : droppedMonths.joined(separator: ", "),
            waitingMonths.isEmpty ? "none" : waitingMonths.joined(separator: ", "),
            rows.isEmpty ? "none" : rows.joined(separator: ", "), String(refused), String(rememberedIds),
        ]
    }
}
