import Yams

/// The step from a schema document's text to YAML nodes: one document, small, without anchors and aliases.
enum SchemaText {
    static let mostBytes = 64 * 1_024

    /// The document's root. Reading JSON is the same: it is YAML too.
    static func root(_ text: String) throws(SchemaError) -> Node {
        guard text.utf8.count <= mostBytes else {
            throw SchemaError(line: 1, column: 1, "the document is larger than \(mostBytes / 1_024) KiB")
        }
        try refuseAnchors(text)
        let node: Node?
        do {
            // What a plain scalar is taken for, its field's type says; nothing is guessed.
            node = try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot()
        } catch let error as YamlError {
            throw SchemaError(error)
        } catch {
            throw SchemaError(line: 1, column: 1, "the document is not YAML")
        }
        guard let node else { throw SchemaError(line: 1, column: 1, "the document is empty; it starts with `schema: <name>`") }
        return node
    }

    /// An alias makes a few lines stand for billions, before the first node is seen. In JSON there is none; in other YAML whatever
    /// could be read as an anchor is refused, wherever it is, and an alias without an anchor is an error. A key within a key, and so on,
    /// is looked at once for each one around it: of what could be read as a key that is no plain text there may be a few.
    private static func refuseAnchors(_ text: String) throws(SchemaError) {
        guard !isJSON(text) else { return }
        var line = 1
        var column = 1
        var canStart = true
        var isMark = false
        var isKeyMark = false
        var keyMarks = 0
        for scalar in text.unicodeScalars {
            let isSpace = separators.contains(scalar)
            if isMark, !isSpace {
                throw SchemaError(line: line, column: column - 1, "anchors (&…) are not supported: write the text out")
            }
            if isKeyMark, isSpace || keyStarts.contains(scalar) { keyMarks += 1 }
            guard keyMarks <= mostKeyMarks else {
                throw SchemaError(line: line, column: max(column - 1, 1), "keys are plain text, without `?`; or write the document as JSON")
            }
            isMark = canStart && scalar == "&"
            isKeyMark = canStart && scalar == "?"
            canStart = isSpace || indicators.contains(scalar)
            column += 1
            if scalar == "\n" {
                line += 1
                column = 1
            }
        }
    }

    /// What libyaml takes for white space, a line's end or nothing at all.
    private static let separators: Set<Unicode.Scalar> = [" ", "\t", "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}", "\u{FEFF}"]
    /// What a token may follow at once.
    private static let indicators: Set<Unicode.Scalar> = ["[", "]", "{", "}", ",", ":", "-", "?"]

    /// What a key that is no plain text begins with, after its `?`.
    private static let keyStarts: Set<Unicode.Scalar> = ["[", "{", "?", "!"]
    private static let mostKeyMarks = 16

    private static func isJSON(_ text: String) -> Bool {
        var tape = JSONTape()
        return (try? tape.scan(Array(text.utf8))) != nil
    }
}

extension SchemaError {
    fileprivate init(_ error: YamlError) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            self.init(line: max(mark.line, 1), column: max(mark.column, 1), "not YAML: \(problem)")
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.map { "`\($0)`" }.joined(separator: ", ")
            self.init(line: max(context.mark.line, 1), column: max(context.mark.column, 1), "written twice: \(names)")
        case .reader(let problem, _, _, _):
            self.init(line: 1, column: 1, "not YAML: \(problem)")
        default:
            self.init(line: 1, column: 1, "the document is not YAML")
        }
    }
}
