import ArgumentParser
import EventCore
import EventStore

struct SchemaRehearse: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rehearse",
        abstract: "Run a draft over the tenant's accepted events and its quarantine; writes nothing.",
        discussion: """
            Accepted events are rebuilt as they were sent from what is stored of them; what `unknown: drop` forgot is not there to be tried.
            """
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "A YAML or JSON file, - for standard input, or a template's name.")
    var schema: String

    @Option(help: "How many days to look back.")
    var days = 30

    @Option(help: "A source to try it on, instead of those that read with this schema.")
    var source: String?

    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard (1...36_500).contains(days) else { throw ValidationError("--days is a number from 1 to 36500.") }
    }

    func run() async throws {
        let document = try SchemaFile.read(schema)
        let report = try await AdminSettings().administer { administration in
            try await Rehearsal(try await administration.access(tenant: tenant)).run(document, source: source, days: days)
        }
        try options.print(RehearsalView(report, days: days)) { $0.text }
    }
}

/// A rehearsal as a command shows it.
struct RehearsalView: Encodable {
    struct Example: Encodable {
        let id: String
        let reason: String
        @Nullable var pointer: String?
        let detail: String
    }

    struct Accepted: Encodable {
        let wouldPass: Int
        let wouldBreak: Int
        let examples: [Example]
    }

    struct Quarantined: Encodable {
        let rescued: Int
        let stillFailing: Int
        let byReason: [String: Int]
        let rescuedExamples: [String]
        let failingExamples: [Example]
    }

    let schema: String
    @Nullable var from: String?
    let version: String
    let days: Int
    let sources: [String]
    let accepted: Accepted
    let quarantined: Quarantined

    init(_ report: Rehearsal.Report, days: Int) {
        schema = report.plan.document.name
        from = report.plan.before?.version
        version = report.plan.version.description
        self.days = days
        sources = report.sources
        accepted = Accepted(
            wouldPass: report.passing,
            wouldBreak: report.breaking,
            examples: report.examples.map {
                Example(id: $0.id.description, reason: $0.reason.code, pointer: $0.reason.pointer, detail: $0.reason.detail)
            }
        )
        quarantined = Quarantined(
            rescued: report.rescued,
            stillFailing: report.failing.values.reduce(0, +),
            byReason: report.failing,
            rescuedExamples: report.rescuedExamples.map(\.description),
            failingExamples: report.failingExamples.map {
                Example(id: $0.id.description, reason: $0.reason.code, pointer: $0.reason.pointer, detail: $0.reason.detail)
            }
        )
    }

    private static func lines(_ examples: [Example], under title: String) -> [String] {
        guard !examples.isEmpty else { return [] }
        return [title] + examples.map { "  \($0.id)  \($0.reason)  \($0.pointer ?? "")  \($0.detail)" }
    }

    var text: String {
        let step = from.map { $0 == version ? version : "\($0) to \(version)" } ?? version
        var lines = ["\(schema) \(step), over \(days) days of \(sources.joined(separator: ", ")). Nothing was written."]
        var pairs = [
            ("accepted events that would pass", String(accepted.wouldPass)),
            ("accepted events that would be refused", String(accepted.wouldBreak)),
            ("quarantined records that would be rescued", String(quarantined.rescued)),
            ("quarantined records that would still fail", String(quarantined.stillFailing)),
        ]
        for (reason, count) in quarantined.byReason.sorted(by: { $0.key < $1.key }) { pairs.append(("  \(reason)", String(count))) }
        lines.append(Table.render(pairs: pairs))
        lines += Self.lines(accepted.examples, under: "Would be refused, for example:")
        if !quarantined.rescuedExamples.isEmpty { lines.append("Would be rescued, for example:") }
        lines += quarantined.rescuedExamples.map { "  \($0)" }
        lines += Self.lines(quarantined.failingExamples, under: "Would stay in quarantine, for example:")
        return lines.joined(separator: "\n")
    }
}
