import EventCore

/// How events are written one after the other.
package enum EventFormat: String, Sendable, CaseIterable {
    case csv, ndjson

    package var mediaType: String {
        switch self {
        case .csv: "text/csv; charset=utf-8; header=present"
        case .ndjson: "application/x-ndjson"
        }
    }
}

/// Writes events as lines: for CSV a header first, and a column for each core column, each field of the tenant's schemas, and `extra`, which
/// also has, as `fields.<name>`, what there is no column for.
package struct EventLines: Sendable {
    private static let core = ["id", "occurred_at", "received_at", "source", "schema", "type", "actor", "machine"]

    /// What is written: lines of a format, or PrivLog's list.
    private enum Style {
        case lines(EventFormat)
        case privLog
    }

    private let style: Style
    private let fields: [String]
    private let names: Set<String>
    private let guardsFormulas: Bool

    /// - Parameters:
    ///   - fields: the names of the tenant's schema fields.
    ///   - guardsFormulas: see `CSVLine`; NDJSON needs no guard.
    package init(_ format: EventFormat, fields: Set<String>, guardsFormulas: Bool = true) {
        style = .lines(format)
        self.fields = fields.sorted()
        names = fields
        self.guardsFormulas = guardsFormulas
    }

    private init(style: Style) {
        self.style = style
        fields = []
        names = []
        guardsFormulas = false
    }

    /// One JSON array of events as PrivLog gives them.
    package static let privLog = EventLines(style: .privLog)

    /// The names of the columns; a field called like a column of every event's is `fields.<name>`.
    package var columns: [String] {
        Self.core + fields.map { Self.core.contains($0) || $0 == "extra" ? "fields.\($0)" : $0 } + ["extra"]
    }

    /// What stands before the first event.
    package var header: [UInt8] {
        guard case .lines(.csv) = style else { return isList ? [UInt8(ascii: "[")] : [] }
        var line = CSVLine(guardsFormulas: guardsFormulas)
        for column in columns { line.text(column) }
        line.end()
        return line.bytes
    }

    /// What stands behind the last event.
    package var footer: [UInt8] { isList ? [UInt8(ascii: "]")] : [] }

    private var isList: Bool { if case .privLog = style { true } else { false } }

    /// - Parameter isFirst: no event stands before it.
    package func append(_ event: StoredEvent, isFirst: Bool, to text: inout [UInt8]) {
        switch style {
        case .privLog:
            if !isFirst { text.append(UInt8(ascii: ",")) }
            PrivLogJSON.append(event, to: &text)
        case .lines(.ndjson):
            EventJSON.append(event, to: &text)
            text.append(UInt8(ascii: "\n"))
        case .lines(.csv):
            var line = CSVLine(guardsFormulas: guardsFormulas)
            line.text(event.id.description)
            line.text(event.occurredAt.rfc3339())
            line.text(event.receivedAt.rfc3339())
            line.text(event.source)
            line.text(event.schema)
            line.text(event.type)
            line.text(event.actor)
            line.text(event.machine)
            let cells = ObjectCells(event.fields)
            for field in fields {
                switch cells[field] {
                case nil: line.text(nil)
                case .text(let value): line.text(value)
                case .json(let value): line.verbatim(value)
                }
            }
            line.verbatim(cells.adding(besides: names, of: event.fields, to: event.extra))
            line.end()
            text.append(contentsOf: line.bytes)
        }
    }
}
