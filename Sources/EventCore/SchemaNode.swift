import Yams

/// A YAML node with the way to it: reads what a schema document may hold, and says where it does not.
struct SchemaNode {
    let node: Node
    /// `fields.serial.type`; empty for the document.
    let path: String

    func error(_ message: String) -> SchemaError {
        SchemaError(line: node.mark?.line ?? 1, column: node.mark?.column ?? 1, path.isEmpty ? message : "\(path): \(message)")
    }

    /// Members in the document's order.
    func members() throws(SchemaError) -> [(key: SchemaNode, name: String, value: SchemaNode)] {
        guard case .mapping(let mapping) = node else { throw error("must be a mapping of keys to values") }
        var members: [(key: SchemaNode, name: String, value: SchemaNode)] = []
        for (key, value) in mapping {
            guard case .scalar(let scalar) = key else {
                throw SchemaNode(node: key, path: path).error("keys are plain text")
            }
            let below = path.isEmpty ? scalar.string : "\(path).\(scalar.string)"
            members.append((SchemaNode(node: key, path: path), scalar.string, SchemaNode(node: value, path: below)))
        }
        return members
    }

    /// The same by name, when no other key than these is there.
    func members(allowed: [String]) throws(SchemaError) -> [String: SchemaNode] {
        var named: [String: SchemaNode] = [:]
        for member in try members() {
            guard allowed.contains(member.name) else {
                throw member.key.error("unknown key `\(member.name)`; known here: \(allowed.joined(separator: ", "))")
            }
            named[member.name] = member.value
        }
        return named
    }

    func items() throws(SchemaError) -> [SchemaNode] {
        guard case .sequence(let sequence) = node else { throw error("must be a list") }
        return sequence.enumerated().map { SchemaNode(node: $0.element, path: "\(path)[\($0.offset)]") }
    }

    var isMapping: Bool {
        if case .mapping = node { true } else { false }
    }

    /// Text as written, whatever YAML takes it for: `admin`, `yes`, `1`.
    func text() throws(SchemaError) -> String {
        guard case .scalar(let scalar) = node else { throw error("must be a text") }
        // Nothing that PostgreSQL cannot store, nothing that hides in a terminal.
        guard !scalar.string.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else {
            throw error("must not contain control characters")
        }
        return scalar.string
    }

    func boolean() throws(SchemaError) -> Bool {
        if let scalar = plain() {
            if scalar == "true" { return true }
            if scalar == "false" { return false }
        }
        throw error("must be true or false")
    }

    func length() throws(SchemaError) -> Int {
        guard let scalar = plain(), let value = Int(scalar), (0...1_048_576).contains(value) else {
            throw error("must be a whole number from 0 to 1048576")
        }
        return value
    }

    /// A number's digits as written.
    func number() throws(SchemaError) -> String {
        guard let scalar = plain() else { throw error("must be a number") }
        var tape = JSONTape()
        do {
            try tape.scan(Array(scalar.utf8))
        } catch {
            throw self.error("must be a number")
        }
        guard tape.tokens.count == 1, tape.kind(of: 0) == .number else { throw error("must be a number") }
        return scalar
    }

    func choice<Choice: RawRepresentable & CaseIterable>(of _: Choice.Type) throws(SchemaError) -> Choice
    where Choice.RawValue == String {
        let text = try text()
        guard let choice = Choice(rawValue: text) else {
            throw error("`\(text)` is none of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }

    func pointer() throws(SchemaError) -> JSONPointer {
        let text = try text()
        guard let pointer = JSONPointer(text) else {
            throw error("`\(text)` is no JSON Pointer: it starts with a slash, as /timestamp or /custom_data/serial")
        }
        return pointer
    }

    private func plain() -> String? {
        guard case .scalar(let scalar) = node, scalar.style == .plain || scalar.style == .any else { return nil }
        return scalar.string
    }
}
