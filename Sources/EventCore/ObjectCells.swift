/// The top-level members of a JSON object, each ready to stand in a cell of a table.
package struct ObjectCells: Sendable {
    package enum Cell: Sendable, Hashable {
        /// A string's contents.
        case text(String)
        /// Digits, `true`, `false`, or the JSON of a list or an object.
        case json([UInt8])
    }

    private var cells: [String: Cell] = [:]

    /// - Parameter object: JSON text; of anything but an object there are no members.
    package init(_ object: [UInt8]) {
        var tape = JSONTape()
        guard (try? tape.scan(object)) != nil, tape.kind(of: 0) == .object else { return }
        let bytes = object.span
        let end = tape.tokens[0].next
        var key = 1
        while key < end {
            let value = key + 1
            switch tape.kind(of: value) {
            case .null: break
            case .string: cells[tape.string(key, bytes)] = .text(tape.string(value, bytes))
            default:
                var json: [UInt8] = []
                tape.appendCompact(value, bytes, to: &json)
                cells[tape.string(key, bytes)] = .json(json)
            }
            key = tape.tokens[value].next
        }
    }

    /// Nil for a member that is absent, or null.
    package subscript(name: String) -> Cell? { cells[name] }

    /// Another object with those of this one's members that have none of these names, each as `fields.<name>`.
    ///
    /// - Parameters:
    ///   - object: the text that the cells are of.
    ///   - other: an object too.
    package func adding(besides names: Set<String>, of object: [UInt8], to other: [UInt8]) -> [UInt8] {
        guard !names.isSuperset(of: cells.keys), let end = other.lastIndex(of: UInt8(ascii: "}")) else { return other }
        var tape = JSONTape()
        guard (try? tape.scan(object)) != nil, tape.kind(of: 0) == .object else { return other }
        let bytes = object.span
        var text = Array(other[..<end])
        var isFirst = !other.contains(UInt8(ascii: ":"))
        var key = 1
        while key < tape.tokens[0].next {
            let value = key + 1
            if tape.kind(of: value) != .null, !names.contains(tape.string(key, bytes)) {
                text += isFirst ? "\"fields.".utf8 : ",\"fields.".utf8
                text += object[tape.tokens[key].contents]
                text += "\":".utf8
                tape.appendCompact(value, bytes, to: &text)
                isFirst = false
            }
            key = tape.tokens[value].next
        }
        return text + other[end...]
    }

    /// The members of a member that is an object.
    package func object(_ name: String) -> ObjectCells {
        guard case .json(let json)? = cells[name] else { return ObjectCells([]) }
        return ObjectCells(json)
    }

    package func text(_ name: String) -> String? {
        guard case .text(let text)? = cells[name] else { return nil }
        return text
    }

    package func flag(_ name: String) -> Bool? {
        guard case .json(let json)? = cells[name] else { return nil }
        return json.elementsEqual("true".utf8) ? true : json.elementsEqual("false".utf8) ? false : nil
    }
}
