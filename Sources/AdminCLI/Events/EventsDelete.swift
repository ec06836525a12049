import ArgumentParser
import EventCore
import EventStore

struct EventsDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete the events of one person, one device, or one person on one device.",
        discussion: """
            Quarantined records go too when their body holds the subject as a JSON string (compressed or otherwise encoded ones are not \
            found); --from and --to then mean the time received. Backups keep what they hold until they are pruned. The audit log notes \
            a digest of the subject, not its name.
            """
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Option(help: "The person, exactly as in the events.")
    var actor: String?

    @Option(help: "The device, exactly as in the events.")
    var machine: String?

    @Option(help: "Not before: an RFC 3339 time, a day (its beginning in UTC), or how long ago, like 24h or 7d.")
    var from: Instant?

    @Option(help: "Before: in the same way.")
    var to: Instant?

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let subject = try Subject(actor: actor, machine: machine, from: from?.time, to: to?.time)
        let whose = [actor.map { "actor \($0)" }, machine.map { "machine \($0)" }].compactMap(\.self).joined(separator: " on ")
        let bounds = [from.map { "not before \($0.time.rfc3339())" }, to.map { "before \($0.time.rfc3339())" }].compactMap(\.self)
        let when = bounds.isEmpty ? "" : ", " + bounds.joined(separator: " and ")
        try options.confirm("Delete the events of \(whose) from \(tenant)\(when)")
        let erased = try await AdminSettings().withConnection { connection in
            try await Erasure(connection, actor: AdminSettings.actor).eraseSubject(subject, of: tenant)
        }
        try options.print(ErasedListing(tenant: tenant, erased))
    }
}
