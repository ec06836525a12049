import ArgumentParser
import Foundation

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json
}

/// What every command takes.
struct OutputOptions: ParsableArguments {
    @Option(help: "How to print: table or json.")
    var output: OutputFormat = .table

    @Flag(help: "Answer yes to what destroys; nothing waits for input without a terminal.")
    var yes = false

    /// A list: one row each.
    func print<Row: Listing>(_ rows: [Row]) throws {
        switch output {
        case .table: Console.current.output(Table.render(columns: Row.columns, rows: rows.map(\.cells)))
        case .json: Console.current.output(try Self.json(rows))
        }
    }

    /// One thing: in a table one line for each column.
    func print<Row: Listing>(_ row: Row) throws {
        switch output {
        case .table: Console.current.output(Table.render(pairs: Array(zip(Row.columns, row.cells))))
        case .json: Console.current.output(try Self.json(row))
        }
    }

    /// Something with a shape of its own.
    func print<Value: Encodable>(_ value: Value, text: (Value) -> String) throws {
        switch output {
        case .table: Console.current.output(text(value))
        case .json: Console.current.output(try Self.json(value))
        }
    }

    private static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}

/// A member that may have no value: null in JSON, where leaving it out would change the object's shape.
@propertyWrapper
struct Nullable<Value: Encodable & Sendable>: Encodable, Sendable {
    var wrappedValue: Value?

    init(wrappedValue: Value?) {
        self.wrappedValue = wrappedValue
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue { try container.encode(wrappedValue) } else { try container.encodeNil() }
    }
}

/// What a command shows: the same data as a row of text and as JSON.
protocol Listing: Encodable {
    static var columns: [String] { get }
    var cells: [String] { get }
}
