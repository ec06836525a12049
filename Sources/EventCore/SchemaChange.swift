/// What tells a version of a schema from the one before it: pure, so that a plan is the same wherever it is made.
package struct SchemaChange: Hashable, Sendable {
    /// One difference, as a person reads it.
    package struct Difference: Hashable, Sendable {
        package let step: SchemaVersion.Step
        /// A field's name, `core.type`, `id`, `unknown`.
        package let subject: String
        package let text: String
        /// What becomes of rows that are stored already, where they read differently.
        package var oldRows: String?
        /// What the step does not say: which events could be refused all the same.
        package var caution: String?
    }

    package let differences: [Difference]

    /// The greatest of the differences' steps; nil when the documents say the same.
    package var step: SchemaVersion.Step? { differences.map(\.step).max() }
    /// An event that was valid before would be refused.
    package var isBreaking: Bool { step == .model }

    package init(from old: SchemaDocument, to new: SchemaDocument) {
        var all: [Difference] = []
        var gone = Set(old.fields.map(\.name))
        for field in new.fields {
            if let before = old.field(before: field) {
                gone.remove(before.name)
                all += FieldChange(from: before, to: field).differences
            } else {
                all.append(Self.added(field))
            }
        }
        for field in old.fields where gone.contains(field.name) { all.append(Self.removed(field, to: new)) }
        all += CoreChange(from: old, to: new).differences
        if let unknown = Self.madeUnknown(from: old, to: new) { all.append(unknown) }
        if all.isEmpty, old.checksum != new.checksum {
            all.append(Difference(step: .revision, subject: "fields", text: "stand in another order"))
        }
        differences = all
    }

    private static func added(_ field: SchemaField) -> Difference {
        let name = field.name
        let kind = field.type.rawValue
        let mistyped = field.renamedFrom.map { "renamed_from: the version before this one has no \($0); is that its name?" }
        if field.isRequired {
            return Difference(
                step: .model,
                subject: name,
                text: "new and required (\(kind)): an event without \(field.place) would be refused",
                oldRows: "have no \(name)",
                caution: mistyped
            )
        }
        if let value = field.value {
            return Difference(step: .addition, subject: name, text: "new: always \(value)", oldRows: "read as \(value)", caution: mistyped)
        }
        return Difference(
            step: .addition,
            subject: name,
            text: "new (\(kind))",
            oldRows: field.standIn.map { "read as \($0), the default" } ?? "have no \(name)",
            caution: [mistyped, "an event that sends \(field.place) already, and not as \(kind) by these rules, would be refused"]
                .compactMap(\.self).joined(separator: "; ")
        )
    }

    private static func removed(_ field: SchemaField, to new: SchemaDocument) -> Difference {
        Difference(
            step: .revision,
            subject: field.name,
            text: new.unknown == .drop ? "gone: it is no longer stored" : "gone: what is sent of it stays in extra",
            oldRows: "show it in extra"
        )
    }

    /// Members that were read, and would now be unknown where unknown ones are refused.
    private static func madeUnknown(from old: SchemaDocument, to new: SchemaDocument) -> Difference? {
        let known = Set(new.pointers)
        let lost = old.pointers.filter { !known.contains($0) }.map(\.description)
        guard new.unknown == .reject, old.unknown == .reject, !lost.isEmpty else { return nil }
        return Difference(
            step: .model,
            subject: "unknown",
            text: "members are refused, and \(lost.joined(separator: ", ")) would be unknown: an event with it would be refused"
        )
    }
}

extension SchemaDocument {
    /// All that it looks at in a record.
    var pointers: [JSONPointer] {
        [id, core.type, core.occurredAt?.from, core.actor, core.machine].compactMap { $0 } + fields.flatMap(\.from)
    }

    /// What a field of the version after this one was here: the field of its name, else of the name that it had.
    package func field(before later: SchemaField) -> SchemaField? {
        if let same = fields.first(where: { $0.name == later.name }) { return same }
        guard let old = later.renamedFrom else { return nil }
        return fields.first { $0.name == old }
    }
}

extension SchemaField {
    /// Its pointers, for people.
    var place: String { from.map(\.description).joined(separator: " or ") }
}
