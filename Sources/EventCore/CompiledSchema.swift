/// A published schema version, made ready to read records. An object, so that a record costs no copy of it.
package final class CompiledSchema: Sendable {
    package struct Field: Hashable, Sendable {
        package let name: String
        package let type: SchemaField.FieldType
        /// The slot (1…8) that keeps its values findable, for an indexed field.
        package let slot: Int?
    }

    package let document: SchemaDocument
    /// Counts the tenant's published versions, over all its schemas.
    package let versionNumber: Int32
    /// SchemaVer: `1-0-0`.
    package let version: String
    /// In the document's order.
    package let fields: [Field]
    package var indexedFields: [Field] { fields.filter { $0.slot != nil } }

    let pointers: PointerTree
    let rules: [FieldRule]

    /// `slots` says which slot each indexed field was given, by name; a field that was given none is not indexed.
    package init(_ document: SchemaDocument, versionNumber: Int32, version: String, slots: [String: Int] = [:]) {
        self.document = document
        self.versionNumber = versionNumber
        self.version = version
        let fields = document.fields.map { field in
            let slot = field.isIndexed ? slots[field.name].flatMap { (1...AcceptedEvent.slotCount).contains($0) ? $0 : nil } : nil
            return Field(name: field.name, type: field.type, slot: slot)
        }
        self.fields = fields
        var rules: [FieldRule] = []
        var nextTarget = PointerTree.Target.field(0).place
        for (field, compiled) in zip(document.fields, fields) {
            rules.append(FieldRule(field, slot: compiled.slot, firstTarget: nextTarget))
            nextTarget += field.from.count
        }
        self.rules = rules

        var pointers: [(JSONPointer, PointerTree.Target)] = []
        let core = document.core
        if let pointer = core.occurredAt?.from { pointers.append((pointer, .occurredAt)) }
        if let pointer = core.type { pointers.append((pointer, .type)) }
        if let pointer = core.actor { pointers.append((pointer, .actor)) }
        if let pointer = core.machine { pointers.append((pointer, .machine)) }
        if let pointer = document.id { pointers.append((pointer, .id)) }
        for (place, pointer) in document.fields.flatMap(\.from).enumerated() { pointers.append((pointer, .field(place))) }
        self.pointers = PointerTree(pointers)
    }
}
