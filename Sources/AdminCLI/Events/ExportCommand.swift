import ArgumentParser
import EventCore
import EventStore
import Foundation

struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a tenant's events to a file, oldest first.",
        discussion: """
            Beside the file stands its manifest, <file>.manifest.json: how many rows and bytes it has, their SHA-256, and whether it is \
            complete. An export that was interrupted goes on with --resume. CSV has a header, and a ' before text that a spreadsheet would \
            take for a formula.
            """
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Option(help: "csv or ndjson.")
    var format: EventFormat = .csv

    @Flag(help: "Compress with gzip.")
    var gzip = false

    @Flag(help: "Leave text that begins like a formula as it is.")
    var rawFormulas = false

    @OptionGroup var filter: FilterOptions

    @Option(help: "The file to write; without one, standard output.")
    var out: String?

    @Flag(help: "Go on with a file that is not complete; the other options, and the fields of the schemas, are those of the first time.")
    var resume = false

    @OptionGroup var options: OutputOptions

    /// For each page.
    private static let patience = Duration.seconds(60)

    func validate() throws {
        if resume, out == nil { throw ValidationError("--resume needs --out: what went to standard output cannot be gone on with") }
    }

    func run() async throws {
        try await AdminSettings().reading(tenant: tenant) { reading in
            let schemas = try await reading.reader.schemas(of: reading.tenant.id)
            let settings = ExportManifest.Settings(
                tenant: tenant,
                format: format.rawValue,
                gzip: gzip,
                rawFormulas: rawFormulas,
                filter: filter.summary,
                from: filter.from?.time.rfc3339(),
                // What comes while this runs is not in it, so that it ends.
                to: (filter.to?.time ?? Timestamp.now().adding(days: 1)).rfc3339(),
                schemas: schemas.fieldTypes
            )
            guard let out else { return try await write(reading, schemas, to: ExportOutput.standard(settings)) }
            let output = resume ? try ExportOutput.resuming(out, settings) : try ExportOutput.creating(out, settings)
            guard !output.manifest.complete else { return try report(output) }
            try await write(reading, schemas, to: output)
            try report(output)
        }
    }

    private func write(_ reading: TenantReading, _ schemas: TenantSchemas, to output: ExportOutput) async throws {
        let settings = output.manifest.settings
        var filter = filter.filter(order: .oldestFirst)
        filter.from = settings.from.flatMap { Timestamp(rfc3339: $0) }
        filter.to = Timestamp(rfc3339: settings.to)
        var export = EventExport(
            reading.reader,
            of: reading.tenant.id,
            retentionDays: reading.tenant.retentionDays,
            filter: filter,
            schemas: schemas,
            lines: EventLines(format, fields: settings.fields, guardsFormulas: !rawFormulas),
            after: output.position
        )
        let before = output.manifest.rows
        var progress = ExportProgress(to: filter.to ?? .now())
        while let page = try await export.next(deadline: .now + Self.patience) {
            try output.write(page.text(), rows: before + export.rows, position: export.position)
            progress.show(rows: export.rows, bytes: output.bytes, at: export.position?.occurredAt)
        }
        try output.finish()
        progress.end()
    }

    private func report(_ output: ExportOutput) throws {
        let manifest = output.manifest
        try options.print(
            ExportRow(file: out ?? "-", rows: manifest.rows, bytes: manifest.bytes, sha256: manifest.sha256, complete: manifest.complete)
        )
    }
}

private struct ExportRow: Listing {
    let file: String
    let rows: Int
    let bytes: Int
    let sha256: String
    let complete: Bool

    static let columns = ["file", "rows", "bytes", "sha256", "complete"]
    var cells: [String] { [file, "\(rows)", "\(bytes)", sha256, "\(complete)"] }
}
