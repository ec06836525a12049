import Access
import ArgumentParser
import EventCore
import EventStore

/// A key's id as an argument.
enum KeyArgument {
    static func id(_ text: String, tenant: String) throws -> KeyID {
        guard let id = KeyID(text) else {
            throw ValidationError("A key's id has ten letters and digits; sluice key list \(tenant) shows them. Never pass the key itself.")
        }
        return id
    }
}

/// A key that was made just now.
struct NewKey: Listing {
    let key: String
    let id: String
    let kind: String
    @Nullable var source: String?
    let name: String

    static let columns = ["key", "id", "kind", "source", "name"]
    var cells: [String] { [key, id, kind, source ?? "-", name] }

    static func remind(_ options: OutputOptions) {
        if options.output == .table { Console.current.error("Keep the key now: it is not stored and cannot be shown again.") }
    }
}

/// A key without its secret.
struct KeyRow: Listing {
    let id: String
    let kind: String
    @Nullable var source: String?
    let name: String
    let createdAt: String
    @Nullable var expiresAt: String?
    @Nullable var revokedAt: String?
    @Nullable var lastUsedAt: String?
    @Nullable var supersededBy: String?
    /// How many still used it after another took its place.
    let senders: Int
    let imported: Bool

    init(_ key: KeySummary) {
        id = key.id.text
        kind = key.kind.rawValue
        source = key.source
        name = key.name
        createdAt = key.createdAt.rfc3339()
        expiresAt = key.expiresAt?.rfc3339()
        revokedAt = key.revokedAt?.rfc3339()
        lastUsedAt = key.lastUsedAt?.rfc3339()
        supersededBy = key.supersededBy?.text
        senders = key.senders
        imported = key.isLegacy
    }

    static let columns = [
        "id", "kind", "source", "name", "created at", "expires at", "revoked at", "last used at", "superseded by", "senders since",
        "imported",
    ]
    var cells: [String] {
        [
            id, kind, source ?? "-", name, createdAt, expiresAt ?? "-", revokedAt ?? "-", lastUsedAt ?? "-", supersededBy ?? "-",
            supersededBy == nil ? "-" : String(senders), imported ? "yes" : "no",
        ]
    }
}

/// Who still used a key after another took its place.
struct KeySenderRow: Listing {
    let sender: String
    let count: Int
    let lastSeen: String

    init(_ sender: KeySender) {
        self.sender = sender.sender.isEmpty ? "(others)" : sender.sender
        count = sender.count
        lastSeen = sender.lastSeen.rfc3339()
    }

    static let columns = ["sender", "count", "last seen"]
    var cells: [String] { [sender, String(count), lastSeen] }
}
