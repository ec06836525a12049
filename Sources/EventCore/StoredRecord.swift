/// What is stored of an accepted record.
package struct StoredRecord: Sendable {
    package let occurredAt: Timestamp
    package let type: String?
    package let actor: String?
    package let machine: String?
    /// JSON objects.
    package let fields: [UInt8]
    package let extra: [UInt8]

    package init(occurredAt: Timestamp, type: String?, actor: String?, machine: String?, fields: [UInt8], extra: [UInt8]) {
        self.occurredAt = occurredAt
        self.type = type
        self.actor = actor
        self.machine = machine
        self.fields = fields
        self.extra = extra
    }

    /// The record as it was sent, as far as it can be told: `extra` as it is, and each value where its version found it, unless the
    /// original is in `extra`. What differs: members that `unknown: drop` forgot; a value that one of several pointers led to stands
    /// at the first; one that is the default counts as not sent; of several words for one value it is the first; the order of members,
    /// and numbers as PostgreSQL writes them.
    ///
    /// - Parameter document: the version it was read with; nil when it was read without a schema.
    package func original(readWith document: SchemaDocument?) -> [UInt8] {
        guard let document else { return extra }
        guard var record = JSONTree(extra), let values = JSONTree(fields) else { return extra }
        let core = document.core
        for (pointer, text) in [(core.type, type), (core.actor, actor), (core.machine, machine)] {
            if let pointer, let text { record.fill(pointer.segments[...], with: Array(SchemaDocument.quoted(text).utf8)) }
        }
        if let time = core.occurredAt {
            let quoted = SchemaDocument.quoted(occurredAt.rfc3339())
            record.fill(time.from.segments[...], with: Array((time.unit?.text(occurredAt) ?? quoted).utf8))
        }
        for field in document.fields {
            guard let pointer = field.from.first, let stored = values[field.name], let value = field.sent(stored) else { continue }
            // One of the others led to it, and is in `extra` where its form was changed.
            guard field.from.count == 1 || !field.from.contains(where: { record.has($0.segments[...]) }) else { continue }
            record.fill(pointer.segments[...], with: value)
        }
        return record.text
    }
}

extension SchemaField {
    /// What was sent for a stored value (JSON text); nil when nothing need have been.
    fileprivate func sent(_ stored: [UInt8]) -> [UInt8]? {
        guard !stored.elementsEqual("null".utf8) else { return stored }
        let text = String(decoding: stored, as: UTF8.self)
        if let standIn, isSame(text, standIn) { return nil }
        if let line = translations.first(where: { isSame(text, $0.stored) }) { return Array(SchemaDocument.quoted(line.sent).utf8) }
        guard let unit, let timestamp = Timestamp(rfc3339: JSONText.plain(text)) else { return stored }
        return Array(unit.text(timestamp).utf8)
    }

    /// Whether two stored values are one, however they are written.
    private func isSame(_ left: String, _ right: String) -> Bool {
        if type == .strings { return JSONText.strings(left) == JSONText.strings(right) }
        return FieldRule.slotText(left, type) == FieldRule.slotText(right, type)
    }
}

extension JSONTree {
    /// Whether something is there.
    func has(_ path: ArraySlice<[UInt8]>) -> Bool {
        guard let first = path.first else { return true }
        guard case .object(let members) = self, let found = members.first(where: { $0.key == first }) else { return false }
        return found.value.has(path.dropFirst())
    }
}
