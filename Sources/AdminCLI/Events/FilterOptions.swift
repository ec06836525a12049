import ArgumentParser
import EventCore
import EventStore
import Foundation

/// Which events a command is about.
struct FilterOptions: ParsableArguments {
    @Option(help: "Not before: an RFC 3339 time, a day (its beginning in UTC), or how long ago, like 30m, 24h or 7d.")
    var from: Instant?

    @Option(help: "Before: in the same way.")
    var to: Instant?

    @Option(help: "The event's type.")
    var type: String?

    @Option(help: "Who did it.")
    var actor: String?

    @Option(help: "Where it happened.")
    var machine: String?

    @Option(help: "The slug of the source that it came from.")
    var source: String?

    @Option(name: .customLong("where"), help: "field=value, field>=value or field<=value, of a schema field; may be repeated.")
    var conditions: [FieldCondition] = []

    /// In their order, with their values.
    @Argument(parsing: .allUnrecognized, help: ArgumentHelp("A schema field's value: --serial C02X.", valueName: "--field value"))
    var others: [String] = []

    mutating func validate() throws {
        try Instant.check(from: from, to: to)
        var rest = others[...]
        others = []
        while let option = rest.popFirst() {
            guard option.hasPrefix("--"), option.count > 2 else { throw ValidationError("unexpected argument \(option)") }
            let parts = option.dropFirst(2).split(separator: "=", maxSplits: 1)
            guard let name = parts.first, let value = parts.count == 2 ? String(parts[1]) : rest.popFirst() else {
                throw ValidationError("\(option) is an option of no command; as a schema field it needs a value")
            }
            guard let condition = FieldCondition(field: String(name), .equals, value) else {
                throw ValidationError("\(option) has no value that a field can have")
            }
            conditions.append(condition)
        }
    }

    func filter(order: EventOrder) -> EventFilter {
        EventFilter(
            from: from?.time,
            to: to?.time,
            type: type,
            actor: actor,
            machine: machine,
            source: source,
            fields: conditions.map(\.filter),
            order: order
        )
    }

    /// The same text for the same filter.
    var summary: String {
        let texts = [type, actor, machine, source].map { $0.map { "\"\($0)\"" } ?? "-" }
        let fields = conditions.map { "\($0.filter.field) \($0.filter.comparison.rawValue) \"\($0.filter.text)\"" }
        return (texts + fields).joined(separator: ", ")
    }
}

struct FieldCondition: ExpressibleByArgument, Sendable {
    let filter: FieldFilter

    init?(argument: String) {
        for (sign, comparison) in [(">=", FieldFilter.Comparison.min), ("<=", .max), ("=", .equals)] {
            guard let place = argument.range(of: sign), place.lowerBound > argument.startIndex else { continue }
            self.init(field: String(argument[..<place.lowerBound]), comparison, String(argument[place.upperBound...]))
            return
        }
        return nil
    }

    init?(field: String, _ comparison: FieldFilter.Comparison, _ text: String) {
        guard !field.isEmpty, !text.isEmpty, !text.utf8.contains(0) else { return nil }
        filter = FieldFilter(field: field, comparison: comparison, text: text)
    }
}

extension EventOrder: ExpressibleByArgument {}
extension EventFormat: ExpressibleByArgument {}
