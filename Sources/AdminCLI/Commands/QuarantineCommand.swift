import ArgumentParser
import EventCore
import EventStore
import Foundation

struct QuarantineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quarantine",
        abstract: "What a tenant's senders sent and no schema took.",
        subcommands: [QuarantineList.self, QuarantineShow.self, QuarantineReplayCommand.self, QuarantinePurge.self]
    )
}

/// Which records are meant.
struct QuarantineOptions: ParsableArguments {
    @Option(help: "Those refused for this reason only, like missing_field.")
    var reason: String?

    @Option(help: "Those of this source only.")
    var source: String?

    @Option(help: "Those received at or after this: an RFC 3339 time, a day (its beginning in UTC), or how long ago, like 30m, 24h or 7d.")
    var from: Instant?

    @Option(help: "Those received before this: in the same way.")
    var to: Instant?

    func validate() throws {
        try Instant.check(from: from, to: to)
    }

    var filter: QuarantineFilter {
        QuarantineFilter(reason: reason, source: source, from: from?.time, to: to?.time)
    }
}

struct QuarantineList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Show quarantined records, newest first.")

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @OptionGroup var records: QuarantineOptions

    @Option(help: "At most so many.")
    var limit = 100

    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard (1...10_000).contains(limit) else { throw ValidationError("--limit is a number from 1 to 10000.") }
    }

    func run() async throws {
        let filter = records.filter
        let page = try await AdminSettings().administer { administration in
            try await QuarantineStore(try await administration.access(tenant: tenant))
                .page(filter, limit: limit, deadline: .now + .seconds(30))
        }
        try options.print(page.rows.map(QuarantineListing.init))
        if page.next != nil { Console.current.error("There are more; --limit, --from and --to say which.") }
    }
}

struct QuarantineShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Print one quarantined record as it was received.",
        discussion: "With --output json: why it is there, and its body, in base64 when it is no UTF-8."
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Argument(help: "The record's id, as quarantine list shows it.")
    var id: String

    @OptionGroup var options: OutputOptions

    func run() async throws {
        guard let number = QuarantineNumber(id) else {
            throw ValidationError("A record's id is a UUID; sluice quarantine list \(tenant) shows them.")
        }
        let found = try await AdminSettings().administer { administration in
            try await QuarantineStore(try await administration.access(tenant: tenant)).record(number, deadline: .now + .seconds(30))
        }
        guard let row = found else {
            throw Failure("\(tenant) has no quarantined record \(id); sluice quarantine list \(tenant) shows all")
        }
        try options.print(QuarantinedBody(row)) { Table.render(pairs: $0.pairs) }
    }
}

struct QuarantineReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Try quarantined records again under the schemas in force, with the time at which they came.",
        discussion: "What still fails stays, with its new reason. Ended half-way, it goes on when it is run again."
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @OptionGroup var records: QuarantineOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let filter = records.filter
        let showsProgress = isatty(STDERR_FILENO) == 1
        let console = Console.current
        let outcome = try await AdminSettings().administer { administration in
            try await QuarantineReplay(try await administration.access(tenant: tenant)).all(filter) { outcome in
                guard showsProgress else { return }
                console.error("\(outcome.accepted + outcome.duplicates + outcome.refused) tried")
            }
        }
        try options.print(ReplayRow(accepted: outcome.accepted, duplicates: outcome.duplicates, stillRefused: outcome.refused))
    }
}

struct QuarantinePurge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "purge",
        abstract: "Forget quarantined records for good; --yes says that you mean it."
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @OptionGroup var records: QuarantineOptions
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let filter = records.filter
        guard options.yes else {
            throw Failure(
                "this deletes records for good: sluice quarantine list \(tenant) shows them, --yes does it",
                exitCode: Failure.askedWrongly
            )
        }
        let purged = try await AdminSettings().administer { administration in
            try await QuarantineStore(try await administration.access(tenant: tenant)).purge(filter, deadline: .now + .seconds(600))
        }
        try options.print(PurgeRow(purged: purged))
    }
}

private struct ReplayRow: Listing {
    let accepted: Int
    let duplicates: Int
    let stillRefused: Int

    static let columns = ["accepted", "duplicates", "still refused"]
    var cells: [String] { [String(accepted), String(duplicates), String(stillRefused)] }
}

private struct PurgeRow: Listing {
    let purged: Int

    static let columns = ["purged"]
    var cells: [String] { [String(purged)] }
}

private struct QuarantineListing: Listing {
    let id: String
    let receivedAt: String
    let count: Int
    @Nullable var source: String?
    @Nullable var schema: String?
    let reason: String
    @Nullable var pointer: String?
    let detail: String
    let bytes: Int

    init(_ row: QuarantinedRow) {
        id = row.id.description
        receivedAt = row.receivedAt.rfc3339()
        count = row.count
        source = row.sourceSlug
        schema = row.schema
        reason = row.reason.code
        pointer = row.reason.pointer
        detail = row.reason.detail
        bytes = row.size
    }

    static let columns = ["id", "received at", "count", "source", "schema", "reason", "pointer", "detail", "bytes"]
    var cells: [String] {
        [id, receivedAt, String(count), source ?? "-", schema ?? "-", reason, pointer ?? "-", detail, String(bytes)]
    }
}

private struct QuarantinedBody: Encodable {
    let record: QuarantineListing
    @Nullable var body: String?
    @Nullable var bodyBase64: String?

    init(_ row: QuarantinedRow) {
        record = QuarantineListing(row)
        body = String(validating: row.body, as: UTF8.self)
        bodyBase64 = body == nil ? Data(row.body).base64EncodedString() : nil
    }

    var pairs: [(name: String, value: String)] {
        Array(zip(QuarantineListing.columns, record.cells)) + [("body", body ?? bodyBase64 ?? "")]
    }
}
