/// A JSON value whose objects can be added to; everything else is kept as its text.
indirect enum JSONTree {
    case raw([UInt8])
    /// Decoded keys, in order.
    case object([(key: [UInt8], value: JSONTree)])

    /// A scanned value.
    init(_ tape: JSONTape, _ index: Int, _ bytes: Span<UInt8>) {
        guard tape.kind(of: index) == .object else {
            var text: [UInt8] = []
            tape.appendCompact(index, bytes, to: &text)
            self = .raw(text)
            return
        }
        var members: [(key: [UInt8], value: JSONTree)] = []
        let end = tape.tokens[index].next
        var key = index + 1
        while key < end {
            var name: [UInt8] = []
            JSONTape.decode(tape.tokens[key], bytes, into: &name)
            members.append((name, JSONTree(tape, key + 1, bytes)))
            key = tape.tokens[key + 1].next
        }
        self = .object(members)
    }

    /// Nil for what is no JSON.
    init?(_ text: [UInt8]) {
        var tape = JSONTape()
        guard (try? tape.scan(text)) != nil else { return nil }
        self.init(tape, 0, text.span)
    }

    /// Puts a value (JSON text) where there is none; objects on the way are made. What is there already stays.
    mutating func fill(_ path: ArraySlice<[UInt8]>, with value: [UInt8]) {
        guard let first = path.first, case .object(var members) = self else { return }
        let rest = path.dropFirst()
        if let place = members.firstIndex(where: { $0.key == first }) {
            guard !rest.isEmpty else { return }
            members[place].value.fill(rest, with: value)
        } else if rest.isEmpty {
            members.append((first, .raw(value)))
        } else {
            var below = JSONTree.object([])
            below.fill(rest, with: value)
            members.append((first, below))
        }
        self = .object(members)
    }

    /// The text of a member of this object.
    subscript(_ key: String) -> [UInt8]? {
        guard case .object(let members) = self, let found = members.first(where: { $0.key.elementsEqual(key.utf8) }) else { return nil }
        var text: [UInt8] = []
        found.value.write(to: &text)
        return text
    }

    var names: [String] {
        guard case .object(let members) = self else { return [] }
        return members.map { String(decoding: $0.key, as: UTF8.self) }
    }

    func write(to text: inout [UInt8]) {
        switch self {
        case .raw(let value): text.append(contentsOf: value)
        case .object(let members):
            text.append(UInt8(ascii: "{"))
            for (place, member) in members.enumerated() {
                if place > 0 { text.append(UInt8(ascii: ",")) }
                text.append(SchemaDocument.quoted(String(decoding: member.key, as: UTF8.self)))
                text.append(UInt8(ascii: ":"))
                member.value.write(to: &text)
            }
            text.append(UInt8(ascii: "}"))
        }
    }

    var text: [UInt8] {
        var text: [UInt8] = []
        write(to: &text)
        return text
    }
}
