import EventCore

/// The members of one JSON object, read by the strict scanner that records are read by: no duplicates, no trailing bytes.
struct JSONMembers: Sendable {
    enum Value: Sendable {
        case string(String)
        /// As it was spelled.
        case number(String)
        case strings([String])
        case objects([JSONMembers])
        /// Booleans, null, objects, mixed and empty arrays.
        case other
    }

    private let members: [(name: String, value: Value)]

    /// Nil when the bytes are no JSON object.
    init?(_ bytes: [UInt8]) {
        var tape = JSONTape()
        do {
            try tape.scan(bytes)
        } catch {
            return nil
        }
        guard let first = tape.tokens.first, first.kind == .object else { return nil }
        self.init(tape, at: 0, bytes.span)
    }

    private init(_ tape: JSONTape, at object: Int, _ bytes: Span<UInt8>) {
        var members: [(String, Value)] = []
        var key = object + 1
        while key < tape.tokens[object].next {
            members.append((tape.string(key, bytes), Self.value(tape, at: key + 1, bytes)))
            key = tape.tokens[key + 1].next
        }
        self.members = members
    }

    private static func value(_ tape: JSONTape, at index: Int, _ bytes: Span<UInt8>) -> Value {
        let token = tape.tokens[index]
        switch token.kind {
        case .string:
            return .string(tape.string(index, bytes))
        case .number:
            return .number(String(decoding: token.range.map { bytes[$0] }, as: UTF8.self))
        case .array:
            return array(tape, at: index, bytes)
        default:
            return .other
        }
    }

    private static func array(_ tape: JSONTape, at array: Int, _ bytes: Span<UInt8>) -> Value {
        var strings: [String] = []
        var objects: [JSONMembers] = []
        var count = 0
        var index = array + 1
        while index < tape.tokens[array].next {
            switch tape.tokens[index].kind {
            case .string: strings.append(tape.string(index, bytes))
            // Objects within objects of an array are of no use to anybody here; the scanner bounds their depth.
            case .object: objects.append(JSONMembers(tape, at: index, bytes))
            default: break
            }
            count += 1
            index = tape.tokens[index].next
        }
        if count > 0, strings.count == count { return .strings(strings) }
        if count > 0, objects.count == count { return .objects(objects) }
        return .other
    }

    /// Names are compared byte for byte: for Swift's strings the Kelvin sign is a K.
    subscript(name: String) -> Value? {
        members.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
    }

    func contains(_ name: String) -> Bool { self[name] != nil }

    func string(_ name: String) -> String? {
        guard case .string(let text) = self[name] else { return nil }
        return text
    }
}

/// JSON as we write it.
package enum JSONText {
    /// A string with its quotes.
    package static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..<"\u{20}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// Members whose values are JSON already, in the given order.
    package static func object(_ members: [(name: String, json: String)]) -> String {
        "{" + members.map { "\(quoted($0.name)):\($0.json)" }.joined(separator: ",") + "}"
    }

    package static func array(_ values: [String]) -> String {
        "[" + values.map(quoted).joined(separator: ",") + "]"
    }
}
