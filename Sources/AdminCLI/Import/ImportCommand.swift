import ArgumentParser
import EventCore
import EventStore
import PrivLogImport

struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Bring in what another system has stored.",
        subcommands: [ImportPrivLog.self]
    )
}

struct ImportPrivLog: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "privlog",
        abstract: "Bring in PrivLog's data.db.",
        discussion: """
            Every row becomes the record that its Mac sent, and is read with the source's schema, as if it came now. Rows that the schema \
            refuses, or that are older than the tenant's retention, go to quarantine. Imported again, nothing is stored twice.
            """
    )

    @Argument(help: "PrivLog's data.db; it is only read.")
    var file: String

    @Option(help: "The slug of the tenant that takes the events.")
    var tenant: String

    @Option(help: "The slug of the source that takes them: that of the Macs' key, so that an event that comes twice is one.")
    var source = Source.defaultSlug

    @Option(
        help: "A file with the lines of PrivLog's API_KEYS, KEY:NAME: they go on working for everything that reads; - reads standard input."
    )
    var apiKeys: String?

    @OptionGroup var options: OutputOptions

    func run() async throws {
        // Whatever is wrong with them is said before anything is stored.
        let keys = try apiKeys.map { try KeyImport.keys(in: $0) } ?? []
        let privLog: PrivLogFile
        do { privLog = try PrivLogFile(path: file) } catch { throw Failure("\(error)", exitCode: Failure.askedWrongly) }
        let total = try privLog.count()
        let (summary, stored) = try await AdminSettings().reading(tenant: tenant) { reading in
            let directory = SourceDirectory(reading.database, timeout: .seconds(10))
            guard let source = try await directory.source(of: reading.tenant.id, where: { $0.slug == self.source }) else {
                throw Failure("\(tenant) has no source \(self.source); sluice source list \(tenant) shows all")
            }
            guard source.schema != nil else {
                throw Failure("the source \(self.source) has no schema; first: sluice schema apply \(tenant) privileges-webhook")
            }
            let lanes = Lanes(reading.configuration, settings: LaneSettings(lanes: 2), login: .operator)
            let writing = Task { await lanes.run() }
            let result: Result<PrivLogImporter.Summary, any Error>
            let importer = PrivLogImporter(privLog, lanes: lanes, source: source, retentionDays: reading.tenant.retentionDays)
            var line = ProgressLine()
            do {
                result = .success(try await importer.run { line.show("\($0.rows) of \(total) rows, \($0.quarantined) to quarantine") })
            } catch {
                result = .failure(error)
            }
            line.end()
            lanes.stop()
            await writing.value
            let stored = try await reading.reader.count(of: source.id, tenant: reading.tenant.id, deadline: .now + .seconds(600))
            return (try Self.summary(result), stored)
        }
        let newKeys = keys.isEmpty ? [] : try await AdminSettings().administer { try await $0.importKeys(tenant: tenant, keys) }
        try options.print(
            ImportRow(file: file, total: total, summary, source: "\(tenant)/\(source)", stored: stored, newKeys: newKeys.count)
        )
        guard summary.rows == total else {
            throw Failure(
                "data.db had \(total) rows when this began, and \(summary.rows) were read: import it again when PrivLog is stopped"
            )
        }
    }

    private static func summary(_ result: Result<PrivLogImporter.Summary, any Error>) throws -> PrivLogImporter.Summary {
        do {
            return try result.get()
        } catch let error as PrivLogImporter.Interrupted {
            throw Failure("stopped after row \(error.summary.lastID): \(error); import it again, what is stored stays stored once")
        }
    }
}

private struct ImportRow: Listing {
    let file: String
    let rows: Int
    let accepted: Int
    let duplicates: Int
    let quarantined: Int
    let reasons: [String: Int]
    let source: String
    let stored: Int
    let newKeys: Int

    init(file: String, total: Int, _ summary: PrivLogImporter.Summary, source: String, stored: Int, newKeys: Int) {
        self.newKeys = newKeys
        self.file = file
        rows = total
        accepted = summary.accepted
        duplicates = summary.duplicates
        quarantined = summary.quarantined
        reasons = summary.reasons
        self.source = source
        self.stored = stored
    }

    static let columns = ["file", "rows in it", "stored now", "there already", "to quarantine", "source", "events in it", "new keys"]
    var cells: [String] {
        let why = reasons.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        return [
            file, "\(rows)", "\(accepted)", "\(duplicates)", "\(quarantined)\(why.isEmpty ? "" : " (\(why))")", source, "\(stored)",
            "\(newKeys)",
        ]
    }
}
