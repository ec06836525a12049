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
            node = try Parser(yaml: text).singleRoot()
        } catch let error as YamlError {
            throw SchemaError(error)
        } catch {
            throw SchemaError(line: 1, column: 1, "the document is not YAML")
        }
        guard let node else { throw SchemaError(line: 1, column: 1, "the document is empty; it starts with `schema: <name>`") }
        return node
    }

    /// An alias makes a few lines stand for billions. What looks like an anchor is refused, wherever it is.
    private static func refuseAnchors(_ text: String) throws(SchemaError) {
        var line = 1
        var column = 1
        var canStart = true
        var isMark = false
        for scalar in text.unicodeScalars {
            let isSpace = scalar == " " || scalar == "\t" || scalar == "\n" || scalar == "\r"
            if isMark, !isSpace {
                throw SchemaError(line: line, column: column - 1, "anchors (&…) are not supported: write the text out")
            }
            isMark = canStart && scalar == "&"
            canStart = isSpace || "[{,:-".unicodeScalars.contains(scalar)
            column += 1
            if scalar == "\n" {
                line += 1
                column = 1
            }
        }
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
