package import EventCore

/// A published version of a schema.
package struct SchemaVersionRecord: Sendable {
    package let name: String
    /// SchemaVer, `1-0-0`.
    package let version: String
    /// Counts the tenant's versions over all its schemas.
    package let versionNumber: Int32
    let checksum: [UInt8]
    package let createdAt: Timestamp
    /// In its canonical form: JSON. Empty in a list.
    package let document: String

    package var checksumText: String {
        checksum.map { byte in String(byte, radix: 16).leftPadded }.joined()
    }
}

extension String {
    fileprivate var leftPadded: String { utf8.count < 2 ? "0" + self : self }
}

/// What applying a document would do.
package struct SchemaPlan: Sendable {
    package let document: SchemaDocument
    /// The newest version there is of this name.
    package let before: SchemaVersionRecord?
    /// The version that would be in force: the same when nothing changes.
    package let version: SchemaVersion
    /// Nil for a schema's first version.
    package let change: SchemaChange?
    package let slots: SlotPlan
    /// It would become the schema of the source `default`.
    package let isAdopted: Bool

    package var isUnchanged: Bool { before.map { $0.checksum == document.checksum } ?? false }
    package var isBreaking: Bool { change?.isBreaking ?? false }

    /// Indexed fields that rows stored before have values of, in no slot yet.
    package var toFill: [SlotPlan.Slot] {
        guard let before, let old = try? SchemaDocument(yaml: before.document) else { return [] }
        return slots.all.filter { slot in
            guard let field = document.fields.first(where: { $0.isIndexed && slot.isOf($0) }), let source = old.field(before: field) else {
                return false
            }
            return !source.hasSlot(of: field)
        }
    }

    /// What is read with it when the first of its events comes.
    package func compiled(versionNumber: Int32) -> CompiledSchema {
        CompiledSchema(document, versionNumber: versionNumber, version: version.description, slots: slots.byField)
    }

    func refusal(tenant: String) -> StoreError {
        let why = (change?.differences ?? []).filter { $0.step == .model }.map { "\($0.subject) \($0.text)" }.joined(separator: "; ")
        return StoreError(
            .breaking,
            """
            \(document.name) \(version) would be a breaking change: \(why). What senders send now would go to quarantine; \
            sluice schema rehearse \(tenant) says how much of it, and --allow-breaking applies it all the same
            """
        )
    }
}
