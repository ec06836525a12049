import Access
import EventCore
import EventStore
import Hummingbird

/// What a request's query asks of events: every read that filters takes the same parameters.
struct EventQuery: Sendable {
    private static let columns: Set<String> = ["from", "to", "type", "actor", "machine", "source", "order"]

    let filter: EventFilter
    let parameters: QueryParameters
    /// The tenant's schemas, as they were when the query was read.
    let schemas: TenantSchemas

    /// - Parameter others: parameters that this route takes besides; a schema field of one of these names cannot be filtered by.
    init(_ request: Request, of grant: Grant, reader: EventReader, besides others: Set<String>) async throws {
        schemas = try await reader.schemas(of: grant.tenant)
        let taken = Self.columns.union(others)
        let fields = schemas.fieldNames.subtracting(taken)
        let asked = Set(fields.flatMap { field in FieldFilter.Comparison.allCases.map { $0.parameter(of: field) } })
        parameters = try QueryParameters(request, allowed: taken.union(asked))
        filter = EventFilter(
            from: try parameters.timestamp("from"),
            to: try parameters.timestamp("to"),
            type: try parameters.text("type"),
            actor: try parameters.text("actor"),
            machine: try parameters.text("machine"),
            source: try parameters.text("source"),
            fields: try Self.filters(fields, parameters, schemas),
            order: try parameters.choice("order", of: EventOrder.self) ?? .newestFirst
        )
    }

    /// `<field>=`, `<field>.min=` and `<field>.max=`, in a fixed order.
    private static func filters(_ names: Set<String>, _ parameters: QueryParameters, _ schemas: TenantSchemas) throws -> [FieldFilter] {
        var filters: [FieldFilter] = []
        for name in names.sorted() {
            for comparison in FieldFilter.Comparison.allCases {
                let parameter = comparison.parameter(of: name)
                guard let text = try parameters.text(parameter) else { continue }
                let filter = FieldFilter(field: name, comparison: comparison, text: text)
                do {
                    _ = try schemas.query(filter)
                } catch let error as StoreError {
                    throw Problem(.badRequest, .invalidParameter, "The parameter \(parameter): \(error.description).")
                }
                filters.append(filter)
            }
        }
        return filters
    }
}

extension FieldFilter.Comparison {
    func parameter(of field: String) -> String {
        switch self {
        case .equals: field
        case .min: "\(field).min"
        case .max: "\(field).max"
        }
    }
}

extension QueryParameters {
    /// One of an enum's words.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(_ name: String, of: Choice.Type) throws -> Choice? {
        guard let text = try text(name) else { return nil }
        guard let value = Choice(rawValue: text) else {
            let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw Problem(.badRequest, .invalidParameter, "The parameter \(name) is one of: \(words).")
        }
        return value
    }
}
