import ArgumentParser
import EventStore
import Foundation

struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Ask a running server how it is, and say what to do when it is not well.",
        discussion: "Asks over HTTP only; sluice doctor asks the database. Exit status 1 when something is wrong; a warning is no failure."
    )

    @Option(help: "The server's address, like https://sluice.example; else the sluice up of this folder, else http://127.0.0.1:8080.")
    var url: String?

    @OptionGroup var trust: ServerTrust
    @OptionGroup var options: OutputOptions

    func run() async throws {
        let address = url ?? (try? DemoFile.read(AdminSettings().home).baseURL) ?? "http://127.0.0.1:8080"
        try Self.check(address)
        let results = try await trust.withClient(of: address) { await ServerHealth(base: address, by: $0).examine() }
        try options.conclude(results)
    }

    static func check(_ address: String) throws {
        guard let parts = URLComponents(string: address), parts.scheme == "http" || parts.scheme == "https", parts.host != nil,
            parts.user == nil, parts.password == nil, parts.query == nil
        else {
            throw Failure("--url is an address like https://sluice.example, without a name or password", exitCode: Failure.askedWrongly)
        }
    }
}
