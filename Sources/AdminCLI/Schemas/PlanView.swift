import EventCore
import EventStore

/// A plan as a command shows it.
struct PlanView: Encodable {
    struct Change: Encodable {
        let subject: String
        let step: String
        let text: String
        @Nullable var oldRows: String?
        @Nullable var caution: String?
    }

    struct Slot: Encodable {
        let slot: Int
        let field: String
        let type: String
        let isNew: Bool
    }

    let schema: String
    @Nullable var from: String?
    let version: String
    let changed: Bool
    @Nullable var step: String?
    let breaking: Bool
    let changes: [Change]
    let slots: [Slot]
    let toFill: [String]
    let becomesDefault: Bool

    init(_ plan: SchemaPlan) {
        schema = plan.document.name
        from = plan.before?.version
        version = plan.version.description
        changed = !plan.isUnchanged
        step = plan.change?.step?.rawValue
        breaking = plan.isBreaking
        changes = (plan.change?.differences ?? []).map { difference in
            Change(
                subject: difference.subject,
                step: difference.step.rawValue,
                text: difference.text,
                oldRows: difference.oldRows,
                caution: difference.caution
            )
        }
        slots =
            (plan.slots.kept.map { Slot(slot: $0.number, field: $0.field, type: $0.type, isNew: false) }
            + plan.slots.taken.map { Slot(slot: $0.number, field: $0.field, type: $0.type, isNew: true) }).sorted { $0.slot < $1.slot }
        toFill = plan.toFill.map(\.field)
        becomesDefault = plan.isAdopted
    }

    func text(tenant: String) -> String {
        var lines: [String] = []
        if let from, !changed {
            lines.append("\(schema) \(from) is in force and says the same: nothing changes.")
        } else if let from, let step {
            lines.append("\(schema) \(from) becomes \(version): \(Self.reason(step)).")
        } else {
            lines.append("\(schema) \(version) would be new\(becomesDefault ? ", and the schema of the source default" : "").")
        }
        for change in changes {
            lines.append("  \(Self.sign(change.step)) \(change.subject) \(change.text)")
            if let rows = change.oldRows { lines.append("      events stored before \(rows)") }
            if let caution = change.caution { lines.append("      mind: \(caution)") }
        }
        for slot in slots {
            lines.append("  slot k\(slot.slot): \(slot.field) (\(slot.type))\(slot.isNew ? ", taken now and for good" : "")")
        }
        if !toFill.isEmpty {
            lines.append(
                "  \(toFill.joined(separator: ", ")): events stored before are not in the slot; sluice schema backfill fills it, and until then they are found more slowly"
            )
        }
        if breaking {
            lines.append("This is breaking: sluice schema rehearse \(tenant) tells what it would refuse; apply it with --allow-breaking.")
        }
        return lines.joined(separator: "\n")
    }

    private static func reason(_ step: String) -> String {
        switch step {
        case "addition": "an addition, something more is read"
        case "revision": "a revision, events read differently and none is refused that was accepted"
        default: "another model, events that were accepted would be refused"
        }
    }

    private static func sign(_ step: String) -> String {
        switch step {
        case "addition": "+"
        case "revision": "~"
        default: "!"
        }
    }
}
