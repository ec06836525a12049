extension SchemaDocument {
    /// Reads the format of the documentation's schema page, as YAML or JSON. Unknown keys are errors.
    package init(yaml: String) throws(SchemaError) {
        try self.init(unchecked: yaml)
        guard yaml != canonicalForm else { return }
        // It is the canonical form that is stored and read ever after.
        guard canonicalForm.utf8.count <= SchemaText.mostBytes else {
            throw SchemaError(line: 1, column: 1, "the document is larger than \(SchemaText.mostBytes / 1_024) KiB when written as JSON")
        }
        do {
            let again = try SchemaDocument(unchecked: canonicalForm)
            if again.canonicalForm == canonicalForm { return }
        } catch {
            throw SchemaError(line: 1, column: 1, "cannot be written as JSON and read again: \(error.message)")
        }
        throw SchemaError(line: 1, column: 1, "reads differently when written as JSON")
    }

    private init(unchecked yaml: String) throws(SchemaError) {
        let root = SchemaNode(node: try SchemaText.root(yaml), path: "")
        let members = try root.members(allowed: ["schema", "id", "core", "fields", "unknown"])
        guard let schema = members["schema"] else { throw root.error("`schema: <name>` is missing") }
        let name = try schema.text()
        guard Self.isSchemaName(name) else {
            throw schema.error("a name is at most 63 of a-z, 0-9, `-` and `_`, and starts and ends with a letter or a digit")
        }
        let core = try members["core"].map(Self.core) ?? Core(type: nil, occurredAt: nil, actor: nil, machine: nil)
        var fields: [SchemaField] = []
        for field in try members["fields"]?.members() ?? [] {
            fields.append(try SchemaField(name: field.name, key: field.key, field.value))
        }
        let place = members["fields"] ?? root
        guard fields.count <= Self.mostFields else { throw place.error("more than \(Self.mostFields) fields") }
        guard fields.count(where: \.isIndexed) <= Self.mostIndexedFields else {
            throw place.error(
                """
                more than \(Self.mostIndexedFields) fields are `indexed`: leave it out where it is not needed (such a field can be filtered by all \
                the same, only slower)
                """
            )
        }
        try Self.checkRenames(fields, in: members["fields"])
        let unknown: UnknownMembers? = try members["unknown"].map { node throws(SchemaError) in try node.choice(of: UnknownMembers.self) }
        self.init(name: name, id: try members["id"]?.pointer(), core: core, fields: fields, unknown: unknown ?? .keep)
        try refuseNestedPointers(at: place)
    }

    private static func core(_ node: SchemaNode) throws(SchemaError) -> Core {
        let members = try node.members(allowed: ["type", "occurred_at", "actor", "machine"])
        var occurredAt: Core.OccurredAt?
        if let node = members["occurred_at"] {
            if node.isMapping {
                let members = try node.members(allowed: ["from", "unit"])
                guard let from = members["from"] else { throw node.error("`from: <pointer>` is missing") }
                let unit: TimestampUnit? = try members["unit"].map { node throws(SchemaError) in try node.choice(of: TimestampUnit.self) }
                occurredAt = Core.OccurredAt(from: try from.pointer(), unit: unit)
            } else {
                occurredAt = Core.OccurredAt(from: try node.pointer(), unit: nil)
            }
        }
        return Core(
            type: try members["type"]?.pointer(),
            occurredAt: occurredAt,
            actor: try members["actor"]?.pointer(),
            machine: try members["machine"]?.pointer()
        )
    }

    /// A value is read whole or looked into, never both.
    private func refuseNestedPointers(at place: SchemaNode) throws(SchemaError) {
        let core = [id, core.type, core.occurredAt?.from, core.actor, core.machine].compactMap { $0 }
        let pointers = Set(core + fields.flatMap(\.from))
        let paths = Set(pointers.map(\.segments))
        for pointer in pointers {
            for length in 1..<max(pointer.segments.count, 1) where paths.contains(Array(pointer.segments.prefix(length))) {
                throw place.error("`\(pointer)` leads into a value that another pointer reads whole")
            }
        }
    }

    /// A field has been called something that no other field is, or was, called.
    private static func checkRenames(_ fields: [SchemaField], in node: SchemaNode?) throws(SchemaError) {
        var earlier: Set<String> = []
        for (place, field) in fields.enumerated() {
            guard let old = field.renamedFrom else { continue }
            let members = try node?.members() ?? []
            let place = members.indices.contains(place) ? try members[place].value.members(allowed: SchemaField.keys)["renamed_from"] : nil
            guard old != field.name, !fields.contains(where: { $0.name == old }) else {
                throw SchemaError(place, "`\(old)` is the name of a field that is still here")
            }
            guard earlier.insert(old).inserted else { throw SchemaError(place, "two fields were not both called `\(old)`") }
        }
    }

    /// As the table of schemas has it.
    static func isSchemaName(_ name: String) -> Bool {
        let isWord: (UInt8) -> Bool = { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || $0.isASCIIDigit }
        guard (1...63).contains(name.utf8.count), name.utf8.first.map(isWord) == true, name.utf8.last.map(isWord) == true else {
            return false
        }
        return name.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
    }

    static func isName(_ name: String, extra: String) -> Bool {
        guard (1...63).contains(name.utf8.count), let first = name.utf8.first, !extra.utf8.contains(first) || first == UInt8(ascii: "_")
        else {
            return false
        }
        return name.utf8.allSatisfy { byte in
            byte.isASCIIDigit || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || extra.utf8.contains(byte)
        }
    }
}
