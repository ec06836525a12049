/// Reads a value that one version of a field stored as another version's type.
enum FieldCast {
    /// JSON text; nil when the value is none of that type's. A text is read as the type's own text; a scalar by its text.
    static func cast(_ json: [UInt8], from old: SchemaField.FieldType, to field: SchemaField) -> [UInt8]? {
        if old == field.type { return json }
        let text = String(decoding: json, as: UTF8.self)
        if old == .integer, field.type == .number { return json }
        guard old != .strings else { return nil }
        return value(JSONText.plain(text), of: field.type, allowed: field.allowed)
    }

    /// A text's value as a type: what a query's parameter means, and what a cast makes of stored text. Numbers lose their spelling.
    static func value(_ text: String, of type: SchemaField.FieldType, allowed: [String] = []) -> [UInt8]? {
        switch type {
        case .string: return quoted(text)
        case .enum: return allowed.isEmpty || allowed.contains(text) ? quoted(text) : nil
        case .strings: return Array("[".utf8) + quoted(text) + Array("]".utf8)
        case .boolean: return text == "true" || text == "false" ? Array(text.utf8) : nil
        case .number: return number(text)
        case .integer:
            guard let digits = number(text), let value = Int64(String(decoding: digits, as: UTF8.self)) else { return nil }
            return Array(String(value).utf8)
        case .timestamp: return Timestamp(rfc3339: text).map { quoted($0.rfc3339()) }
        case .uuid: return UUIDText.canonical(text).map(quoted)
        case .ip: return IPAddressText.canonical(text).map(quoted)
        }
    }

    /// Only what JSON takes for a number.
    private static func number(_ text: String) -> [UInt8]? {
        var tape = JSONTape()
        guard (try? tape.scan(Array(text.utf8))) != nil, tape.tokens.count == 1, tape.kind(of: 0) == .number,
            tape.tokens[0].range.count == text.utf8.count
        else { return nil }
        return DecimalNumber(text)?.plainText.map { Array($0.utf8) }
    }

    private static func quoted(_ text: String) -> [UInt8] { Array(SchemaDocument.quoted(text).utf8) }
}
