import ArgumentParser
import EventCore
import EventStore
import Foundation

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Who changed what, when, and from where.",
        subcommands: [AuditList.self]
    )
}

struct AuditList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Show acts of operators and tenant admins, newest first."
    )

    @Argument(help: "The tenant's slug; without one, all of them and the acts on the installation.")
    var tenant: String?

    @Option(help: "Not before: an RFC 3339 time, a day (its beginning in UTC), or how long ago, like 30m, 24h or 7d.")
    var since: Instant?

    @Option(help: "One kind of act, like key.revoke, or a family of them, like key.")
    var action: String?

    @Option(help: "At most so many, 1 to 10000.")
    var limit = 100

    @OptionGroup var options: OutputOptions

    func run() async throws {
        let entries = try await AdminSettings().administer { administration in
            try await administration.auditLog(tenant: tenant, since: since?.time, action: action, limit: limit)
        }
        try options.print(entries.map(AuditRow.init))
    }
}

private struct AuditRow: Listing {
    let at: String
    @Nullable var tenant: String?
    let actor: String
    @Nullable var address: String?
    let action: String
    let target: String
    let changes: JSONNode

    init(_ entry: AuditEntry) {
        at = entry.at.rfc3339()
        tenant = entry.tenant
        actor = entry.actor
        address = entry.address
        action = entry.action
        target = entry.target
        changes = (try? JSONDecoder().decode(JSONNode.self, from: Data(entry.changes.utf8))) ?? .text(entry.changes)
    }

    static let columns = ["at", "tenant", "actor", "from", "action", "target", "changes"]
    var cells: [String] { [at, tenant ?? "-", actor, address ?? "-", action, target, summary] }

    /// `name: Acme, retention_days: 30 → 90`.
    private var summary: String {
        guard case .object(let members) = changes else { return changes.text }
        return members.sorted { $0.key < $1.key }.map { member, change in
            guard case .object(let sides) = change, !sides.isEmpty, Set(sides.keys).isSubset(of: ["before", "after"]) else {
                return "\(member): \(change.text)"
            }
            let after = sides["after"]?.text ?? "none"
            return sides["before"].map { "\(member): \($0.text) → \(after)" } ?? "\(member): \(after)"
        }.joined(separator: ", ")
    }
}
