import Yams

/// Values that a document itself gives: constants, defaults, translations.
extension SchemaField {
    /// Holds a constant or a default to the field's own rules.
    ///
    /// - Parameter members: of a constant, which has no rules beside itself.
    func checkFixed(_ json: String?, _ node: SchemaNode, alone members: [String: SchemaNode]?) throws(SchemaError) {
        if let members {
            let known: Set<String> = ["value", "type", "indexed", "renamed_from", "values"]
            for (key, rule) in members where !known.contains(key) { throw rule.error("`\(key)` has no meaning for a constant") }
        }
        guard let json else { return }
        let texts = JSONText.strings(json)
        for text in texts {
            let length = text.unicodeScalars.count
            if let minLength, length < minLength { throw node.error("is shorter than `min_length`") }
            if let maxLength, length > maxLength { throw node.error("is longer than `max_length`") }
            if let pattern, !pattern.matches(text) { throw node.error("is not of the `pattern`") }
            if type == .enum, !allowed.isEmpty, !allowed.contains(text) { throw node.error("is none of the field's `values`") }
            if isIndexed, text.utf8.count > AcceptedEvent.longestIndexedValue {
                throw node.error("is longer than \(AcceptedEvent.longestIndexedValue) bytes, and the field is indexed")
            }
        }
        if type == .integer || type == .number, let number = DecimalNumber(json) {
            if let low = minimum.flatMap(DecimalNumber.init), number < low { throw node.error("is below `min`") }
            if let high = maximum.flatMap(DecimalNumber.init), high < number { throw node.error("is above `max`") }
        }
    }
}

extension SchemaNode {
    var isSequence: Bool { node.sequence != nil }

    /// A value of a type, as it is stored: JSON text.
    func stored(as type: SchemaField.FieldType) throws(SchemaError) -> String {
        switch type {
        case .boolean:
            return try boolean() ? "true" : "false"
        case .number:
            return try number()
        case .integer:
            guard let value = Int64(try number()) else { throw error("must be a whole number of 64 bits") }
            return String(value)
        case .string, .enum:
            return SchemaDocument.quoted(try text())
        case .timestamp:
            guard let timestamp = Timestamp(rfc3339: try text()) else { throw error("must be an RFC 3339 timestamp") }
            return SchemaDocument.quoted(timestamp.rfc3339())
        case .uuid:
            guard let uuid = UUIDText.canonical(try text()) else { throw error("must be a UUID") }
            return SchemaDocument.quoted(uuid)
        case .ip:
            guard let address = IPAddressText.canonical(try text()) else { throw error("must be an IP address") }
            return SchemaDocument.quoted(address)
        case .strings:
            var texts: [String] = []
            for item in try items() { texts.append(SchemaDocument.quoted(try item.text())) }
            return "[" + texts.joined(separator: ",") + "]"
        }
    }

    func fieldName() throws(SchemaError) -> String {
        let name = try text()
        guard SchemaDocument.isName(name, extra: "_-"), name.utf8.first?.isASCIIDigit == false else {
            throw error("`\(name)` is no field's name")
        }
        return name
    }

    func pattern() throws(SchemaError) -> SchemaPattern {
        let source = try text()
        do {
            return try SchemaPattern(source)
        } catch {
            throw self.error("at its character \(error.place): \(error.message)")
        }
    }
}

/// Short JSON texts of ours.
enum JSONText {
    /// The string that a JSON text is, or those of a list; none for anything else.
    static func strings(_ json: String) -> [String] {
        let bytes = Array(json.utf8)
        var tape = JSONTape()
        guard (try? tape.scan(bytes)) != nil else { return [] }
        return tape.tokens.indices.filter { tape.kind(of: $0) == .string }.map { tape.string($0, bytes.span) }
    }

    /// A scalar as plain text: a string's contents, a number's digits, `true`.
    static func plain(_ json: String) -> String { strings(json).first ?? json }
}
