extension SchemaDocument {
    /// Keys in a fixed order, defaults left out, fields in the document's order (which is that of `fields` in an event).
    static func canonicalForm(
        name: String,
        id: JSONPointer?,
        core: Core,
        fields: [SchemaField],
        unknown: UnknownMembers
    ) -> String {
        let members = [
            ("schema", quoted(name)),
            ("id", id.map { quoted($0.description) }),
            ("core", canonical(core)),
            ("fields", object(fields.map { ($0.name, canonical($0)) })),
            ("unknown", quoted(unknown.rawValue)),
        ]
        return object(members)
    }

    private static func canonical(_ core: Core) -> String {
        object([
            ("type", core.type.map { quoted($0.description) }),
            ("occurred_at", core.occurredAt.map(canonical)),
            ("actor", core.actor.map { quoted($0.description) }),
            ("machine", core.machine.map { quoted($0.description) }),
        ])
    }

    private static func canonical(_ occurredAt: Core.OccurredAt) -> String {
        guard let unit = occurredAt.unit else { return quoted(occurredAt.from.description) }
        return object([("from", quoted(occurredAt.from.description)), ("unit", quoted(unit.rawValue))])
    }

    private static func canonical(_ field: SchemaField) -> String {
        var values: String?
        if !field.translations.isEmpty {
            values = object(field.translations.sorted { $0.sent < $1.sent }.map { ($0.sent, $0.stored) })
        } else if !field.allowed.isEmpty {
            values = "[" + field.allowed.map(quoted).joined(separator: ",") + "]"
        }
        let pointers = field.from.map { quoted($0.description) }
        let from = pointers.count > 1 ? "[" + pointers.joined(separator: ",") + "]" : pointers.first
        return object([
            ("from", from),
            ("value", field.value),
            ("type", quoted(field.type.rawValue)),
            ("renamed_from", field.renamedFrom.map(quoted)),
            ("required", field.isRequired ? "true" : nil),
            ("indexed", field.isIndexed ? "true" : nil),
            ("empty_as_null", field.isEmptyNull ? "true" : nil),
            ("min_length", field.minLength.map(String.init)),
            ("max_length", field.maxLength.map(String.init)),
            ("pattern", field.pattern.map { quoted($0.source) }),
            ("min", field.minimum),
            ("max", field.maximum),
            ("values", values),
            ("unit", field.unit.map { quoted($0.rawValue) }),
            ("default", field.standIn),
        ])
    }

    private static func object(_ members: [(key: String, value: String?)]) -> String {
        let written = members.compactMap { member in
            member.value.map { quoted(member.key) + ":" + $0 }
        }
        return "{" + written.joined(separator: ",") + "}"
    }

    /// A JSON string with only the escapes that it must have.
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\u{0}"..<" ":
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
