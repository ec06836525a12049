extension SchemaField {
    /// What queries and exports call their own columns and parameters.
    static let reservedNames: Set<String> = [
        "id", "occurred_at", "received_at", "source", "schema", "type", "actor", "machine", "extra", "from", "to", "order", "limit",
        "cursor",
    ]

    static let keys = [
        "from", "value", "type", "renamed_from", "required", "indexed", "empty_as_null", "min_length", "max_length", "pattern", "min",
        "max", "values", "unit", "default",
    ]
    private static let mostPointers = 8

    init(name: String, key: SchemaNode, _ node: SchemaNode) throws(SchemaError) {
        guard SchemaDocument.isName(name, extra: "_-"), name.utf8.first?.isASCIIDigit == false else {
            throw key.error("`\(name)`: a field's name is at most 63 letters, digits, `_`, `-` and starts with a letter or `_`")
        }
        guard !Self.reservedNames.contains(name) else { throw key.error("`\(name)` is a core column's or a query's own name") }
        let members = try node.members(allowed: Self.keys)
        from = try Self.pointers(members, node)
        guard let typeNode = members["type"] else { throw node.error("`type` is missing") }
        let type = try typeNode.choice(of: FieldType.self)
        try Self.refuseMeaningless(members, type)

        self.name = name
        self.type = type
        renamedFrom = try members["renamed_from"]?.fieldName()
        isRequired = try members["required"]?.boolean() ?? false
        isIndexed = try members["indexed"]?.boolean() ?? false
        isEmptyNull = try members["empty_as_null"]?.boolean() ?? false
        minLength = try members["min_length"]?.length()
        maxLength = try members["max_length"]?.length()
        if let minLength, let maxLength, minLength > maxLength { throw node.error("`min_length` is above `max_length`") }
        pattern = try members["pattern"]?.pattern()
        minimum = try members["min"]?.number()
        maximum = try members["max"]?.number()
        if let low = minimum.flatMap(DecimalNumber.init), let high = maximum.flatMap(DecimalNumber.init), low > high {
            throw node.error("`min` is above `max`")
        }
        unit = try members["unit"].map { node throws(SchemaError) in try node.choice(of: TimestampUnit.self) }
        (allowed, translations) = try Self.values(members["values"], type, of: node)
        value = try members["value"].map { node throws(SchemaError) in try node.stored(as: type) }
        standIn = try members["default"].map { node throws(SchemaError) in try node.stored(as: type) }
        if let value = members["value"] { try checkFixed(self.value, value, alone: members) }
        if let standIn = members["default"] {
            guard !isRequired else { throw standIn.error("a required field is never absent: `required` or `default`") }
            try checkFixed(self.standIn, standIn, alone: nil)
        }
    }

    /// `from:` is a pointer or a list of them; a constant has a `value:` instead.
    private static func pointers(_ members: [String: SchemaNode], _ node: SchemaNode) throws(SchemaError) -> [JSONPointer] {
        guard let from = members["from"] else {
            guard members["value"] != nil else { throw node.error("`from: <pointer>` is missing") }
            return []
        }
        if let value = members["value"] { throw value.error("a field has `from` or, as a constant, `value`") }
        guard from.isSequence else { return [try from.pointer()] }
        var pointers: [JSONPointer] = []
        for item in try from.items() {
            let pointer = try item.pointer()
            guard !pointers.contains(pointer) else { throw item.error("`\(pointer)` is there already") }
            pointers.append(pointer)
        }
        guard (1...mostPointers).contains(pointers.count) else { throw from.error("must be one to \(mostPointers) pointers") }
        return pointers
    }

    private static func refuseMeaningless(_ members: [String: SchemaNode], _ type: FieldType) throws(SchemaError) {
        try refuse(["min_length", "max_length", "pattern"], of: members, unless: type == .string || type == .strings, type)
        try refuse(["min", "max"], of: members, unless: type == .integer || type == .number, type)
        try refuse(["unit"], of: members, unless: type == .timestamp, type)
        try refuse(["empty_as_null", "indexed"], of: members, unless: type != .strings, type)
        let isTranslated: Set<FieldType> = [.string, .integer, .number, .boolean, .enum]
        try refuse(["values"], of: members, unless: isTranslated.contains(type), type)
    }

    private static func refuse(
        _ keys: [String],
        of members: [String: SchemaNode],
        unless isMeaningful: Bool,
        _ type: FieldType
    ) throws(SchemaError) {
        guard !isMeaningful else { return }
        for key in keys {
            if let node = members[key] { throw node.error("`\(key)` has no meaning for type \(type.rawValue)") }
        }
    }

    /// A list is an enum's values; a mapping translates sent texts.
    private static func values(
        _ values: SchemaNode?,
        _ type: FieldType,
        of field: SchemaNode
    ) throws(SchemaError) -> ([String], [Translation]) {
        guard let values else {
            guard type != .enum else { throw field.error("an enum lists its `values: [a, b]`") }
            return ([], [])
        }
        if values.isMapping {
            var translations: [Translation] = []
            for member in try values.members() {
                translations.append(Translation(sent: member.name, stored: try member.value.stored(as: type)))
            }
            guard !translations.isEmpty else { throw values.error("must not be empty") }
            return ([], translations)
        }
        guard type == .enum else { throw values.error("must be a mapping of sent texts to values; a list is for type enum") }
        var allowed: [String] = []
        for item in try values.items() {
            let text = try item.text()
            guard !allowed.contains(text) else { throw item.error("`\(text)` is there already") }
            allowed.append(text)
        }
        guard !allowed.isEmpty else { throw values.error("must not be empty") }
        return (allowed, [])
    }
}
