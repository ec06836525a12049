import ArgumentParser
import EventCore
import EventStore

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Look at a tenant's events.",
        subcommands: [EventsQuery.self, EventsTail.self, EventsDelete.self]
    )
}

struct EventsQuery: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "query", abstract: "Show the events that match.")

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @OptionGroup var filter: FilterOptions

    @Option(help: "desc: newest first; asc: oldest first.")
    var order: EventOrder = .newestFirst

    @Option(help: "At most so many, 1 to 10000.")
    var limit = 100

    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard (1...10_000).contains(limit) else { throw ValidationError("--limit is 1 to 10000") }
    }

    func run() async throws {
        let filter = filter.filter(order: order)
        let events = try await AdminSettings().reading(tenant: tenant) { reading in
            try await reading.events(filter, limit: limit)
        }
        EventPrinter(format: options.output).list(events)
    }
}

struct EventsTail: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Show the newest events, and with -f those that come.",
        discussion: """
            With --output json each event is a line of its own. -f goes by the time received: a record that is replayed from quarantine keeps its own, \
            and is not shown when that is more than 18 minutes ago.
            """
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Flag(name: [.short, .long], help: "Go on until interrupted: every event that is received is shown once.")
    var follow = false

    @Option(name: [.customShort("n"), .long], help: "How many of the newest to begin with, 0 to 1000.")
    var lines = 10

    @OptionGroup var filter: FilterOptions

    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard (0...1_000).contains(lines) else { throw ValidationError("--lines is 0 to 1000") }
    }

    func run() async throws {
        let filter = filter.filter(order: .newestFirst)
        let printer = EventPrinter(format: options.output)
        try await AdminSettings().reading(tenant: tenant) { reading in
            var follower = EventFollower(reading, filter: filter)
            if follow { try await follower.skipWhatIsThere() }
            if lines > 0 {
                let newest = try await reading.events(filter, limit: lines)
                let events = follow ? newest.filter { follower.hasSeen($0) || !follower.isRecent($0) } : newest
                for event in events.reversed() { printer.line(event) }
            }
            while follow {
                for event in try await follower.poll() { printer.line(event) }
                try await Task.sleep(for: .seconds(1))
            }
        }
    }
}
