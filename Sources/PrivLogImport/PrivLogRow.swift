private import Foundation
internal import GRDB

/// A row of PrivLog's, as the record that its client sent.
package struct PrivLogRow: Sendable {
    package let id: Int64
    /// JSON with the client's members in the client's order, written as the client writes it: a Mac's event that was imported, and comes
    /// once more by itself, is a duplicate, where its `custom_data` has no more than PrivLog kept of it.
    package let record: [UInt8]

    private static let flags = ["admin", "delayed"]
    private static let texts = ["event", "expires", "machine", "reason", "timestamp", "user"]

    init(_ row: Row) {
        id = row["sluice_rowid"] ?? 0
        var members: [(name: String, json: String)] = []
        var custom: [(name: String, json: String)] = []
        for (column, value) in row where column != "id" && column != "sluice_rowid" {
            if Self.flags.contains(column) {
                members.append((column, Self.flag(value)))
            } else if Self.texts.contains(column) {
                // PrivLog's fields are all required; what is NULL nevertheless is for the schema to judge.
                members.append((column, Self.json(value)))
            } else if !value.isNull {
                // `custom_serial`, and what an installation has added of its own.
                custom.append((column.hasPrefix("custom_") ? String(column.dropFirst(7)) : column, Self.json(value)))
            }
        }
        if !custom.isEmpty { members.append(("custom_data", Self.object(custom))) }
        record = Array(Self.object(members).utf8)
    }

    private static func object(_ members: [(name: String, json: String)]) -> String {
        let ordered = members.sorted { $0.name < $1.name }
        return "{" + ordered.map { "\(quoted($0.name)):\($0.json)" }.joined(separator: ",") + "}"
    }

    /// SQLite knows no boolean: PrivLog writes 1 and 0.
    private static func flag(_ value: DatabaseValue) -> String {
        switch value.storage {
        case .int64(1): "true"
        case .int64(0): "false"
        case .string("true"), .string("True"), .string("1"): "true"
        case .string("false"), .string("False"), .string("0"): "false"
        default: json(value)
        }
    }

    /// What is of another type than PrivLog writes stays of another type, so that the schema sees it.
    private static func json(_ value: DatabaseValue) -> String {
        switch value.storage {
        case .null: "null"
        case .int64(let number): "\(number)"
        case .double(let number): number.isFinite ? "\(number)" : quoted("\(number)")
        case .string(let text): quoted(text)
        case .blob(let data): "{\"blob\":\(quoted(data.base64EncodedString()))}"
        }
    }

    /// With slashes escaped, as macOS's JSON writer does.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "/": quoted += "\\/"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case "\u{8}": quoted += "\\b"
            case "\u{C}": quoted += "\\f"
            case "\u{0}"..<" ":
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
