import ArgumentParser

struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "A tenant's events.",
        subcommands: [EventsDelete.self]
    )
}
