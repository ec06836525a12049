/// What tells a document's core columns, id and handling of unknown members from those of the version before.
struct CoreChange {
    typealias Difference = SchemaChange.Difference

    private let old: SchemaDocument
    private let new: SchemaDocument

    init(from old: SchemaDocument, to new: SchemaDocument) {
        self.old = old
        self.new = new
    }

    var differences: [Difference] {
        [
            column("core.type", old.core.type, new.core.type), occurredAt, column("core.actor", old.core.actor, new.core.actor),
            column("core.machine", old.core.machine, new.core.machine), column("id", old.id, new.id), unknown,
        ].compactMap { $0 }
    }

    private func column(_ name: String, _ old: JSONPointer?, _ new: JSONPointer?) -> Difference? {
        guard old != new else { return nil }
        guard let new else { return Difference(step: .revision, subject: name, text: "is no longer read", oldRows: "keep theirs") }
        return Difference(
            step: old == nil ? .addition : .revision,
            subject: name,
            text: "is read from \(new)",
            oldRows: "keep theirs",
            caution: "an event that sends \(new) as anything but a text would be refused"
        )
    }

    private var occurredAt: Difference? {
        guard old.core.occurredAt != new.core.occurredAt else { return nil }
        guard let time = new.core.occurredAt else {
            return Difference(step: .revision, subject: "core.occurred_at", text: "is /timestamp or /time, else the time received")
        }
        let unit = time.unit.map { " in \($0.rawValue)" } ?? ""
        return Difference(
            step: .model,
            subject: "core.occurred_at",
            text: "is read from \(time.from)\(unit): an event without it would be refused",
            oldRows: "keep theirs"
        )
    }

    private var unknown: Difference? {
        guard old.unknown != new.unknown else { return nil }
        switch new.unknown {
        case .keep: return Difference(step: .revision, subject: "unknown", text: "members are kept in extra")
        case .drop: return Difference(step: .revision, subject: "unknown", text: "members are dropped", oldRows: "keep theirs")
        case .reject: return Difference(step: .model, subject: "unknown", text: "members: an event with one would be refused")
        }
    }
}
