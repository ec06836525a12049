import ArgumentParser
import EventCore
import EventStore

struct PartitionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "partitions",
        abstract: "The months' tables.",
        subcommands: [PartitionsList.self, PartitionsEnsure.self]
    )
}

struct PartitionsList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Show every month: its bounds, rows, size, and who still needs it.",
        discussion: "Rows are PostgreSQL's own estimate, as of its last ANALYZE; --exact counts them."
    )

    @Flag(help: "Count the rows; reads every month.")
    var exact = false

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let entries = try await AdminSettings().withConnection { try await Partitions($0).list(countingRows: exact) }
        try options.print(entries.map(PartitionRow.init))
    }
}

struct PartitionsEnsure: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ensure",
        abstract: "Make the months from last month to two ahead, where they are missing."
    )

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let (made, entries) = try await AdminSettings().withConnection { connection in
            let partitions = Partitions(connection)
            let made = try await partitions.ensure()
            return (made, try await partitions.list())
        }
        if options.output == .table { Console.current.output("\(made) made.") }
        try options.print(entries.map(PartitionRow.init))
    }
}

private struct PartitionRow: Listing {
    let month: String
    let from: String
    let to: String
    let state: String
    let rows: Int
    let rowsAreExact: Bool
    let bytes: Int
    let neededBy: [String]

    init(_ entry: Partitions.Entry) {
        month = entry.partition.name
        from = entry.partition.since.rfc3339()
        to = entry.partition.until.rfc3339()
        state = entry.partition.state.rawValue
        rows = entry.exactRows ?? entry.partition.estimatedRows
        rowsAreExact = entry.exactRows != nil
        bytes = entry.partition.bytes
        neededBy = entry.neededBy
    }

    static let columns = ["month", "from", "to", "state", "rows", "size", "needed by"]
    var cells: [String] {
        let others = neededBy.count > 5 ? ["and \(neededBy.count - 5) more"] : []
        let who = neededBy.isEmpty ? "-" : (neededBy.prefix(5) + others).joined(separator: ", ")
        return [month, from, to, state, "\(rowsAreExact ? "" : "~")\(rows)", ByteSize.text(bytes), who]
    }
}
