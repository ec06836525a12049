import EventCore
import EventStore

/// Shows events: a person sees their columns, a program all of them as the API gives it, with every digit.
struct EventPrinter: Sendable {
    let format: OutputFormat

    private static let columns = ["occurred at", "type", "actor", "machine", "source", "fields", "id"]

    func list(_ events: [StoredEvent]) {
        switch format {
        case .table: Console.current.output(Table.render(columns: Self.columns, rows: events.map(Self.cells)))
        case .json:
            let objects = events.map { "  " + Self.json($0) }.joined(separator: ",\n")
            Console.current.output(events.isEmpty ? "[]" : "[\n\(objects)\n]")
        }
    }

    func line(_ event: StoredEvent) {
        switch format {
        case .table: Console.current.output(Self.cells(event).map(Table.printable).joined(separator: "  "))
        case .json: Console.current.output(Self.json(event))
        }
    }

    private static func json(_ event: StoredEvent) -> String { String(decoding: EventJSON.object(event), as: UTF8.self) }

    private static func cells(_ event: StoredEvent) -> [String] {
        [
            event.occurredAt.rfc3339(), event.type ?? "-", event.actor ?? "-", event.machine ?? "-", event.source ?? "-",
            String(decoding: event.fields, as: UTF8.self), event.id.description,
        ]
    }
}
