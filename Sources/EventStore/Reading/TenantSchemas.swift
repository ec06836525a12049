package import EventCore
import Postgres
import Synchronization

/// All that a tenant's rows are read by: the versions of its schemas, and its slots.
package struct TenantSchemas: Sendable {
    private let histories: [SchemaHistory]
    /// Which history a version belongs to.
    private let byVersion: [Int32: Int]
    private let slots: [SlotPlan.Slot]
    /// By the history's place: the versions up to the one in whose shape the rows of those before it were filled in.
    private let filled: [Int: SchemaHistory]

    init(_ versions: [String: [SchemaHistory.Version]], slots: [SlotPlan.Slot], fills: [SlotFillState]) {
        histories = versions.sorted { $0.key < $1.key }.compactMap { SchemaHistory($0.value) }
        var byVersion: [Int32: Int] = [:]
        for (place, history) in histories.enumerated() {
            for version in versions[history.newest.document.name] ?? [] { byVersion[version.number] = place }
        }
        self.byVersion = byVersion
        self.slots = slots
        var filled: [Int: SchemaHistory] = [:]
        for fill in fills where fill.isDone {
            guard let place = byVersion[fill.versionNumber] else { continue }
            let history = histories[place]
            let isNewest = history.newest.number == fill.versionNumber
            filled[place] = isNewest ? history : SchemaHistory(versions[fill.schemaName] ?? [], upTo: fill.versionNumber)
        }
        self.filled = filled
    }

    /// Fields of the newest versions, by which events can be filtered.
    package var fieldNames: Set<String> { Set(histories.flatMap { $0.newest.document.fields.map(\.name) }) }

    /// By schema: the fields of its newest version, with their types' names.
    package var fieldTypes: [String: [String: String]] {
        histories.map(\.newest.document).reduce(into: [:]) { types, document in
            for field in document.fields { types[document.name, default: [:]][field.name] = field.type.rawValue }
        }
    }

    /// Makes a filter ready for all schemas that have its field.
    ///
    /// - Throws: `StoreError` (`invalid`) when none has, or its text is no value of any.
    package func query(_ filter: FieldFilter) throws -> FieldQuery {
        var queries: [Int: SchemaHistory.FieldQuery] = [:]
        var fault: SchemaHistory.FilterFault = .noSuchField
        for (place, history) in histories.enumerated() {
            do {
                queries[place] = try history.query(
                    filter,
                    slot: slot(of: filter.field, in: history),
                    isFilled: history.isFilled(filter.field, since: filled[place])
                )
            } catch {
                if error != .noSuchField { fault = error }
            }
        }
        if queries.isEmpty { throw StoreError(.invalid, Self.message(fault, filter)) }
        return FieldQuery(queries: queries)
    }

    /// Whether an event may match: a schema has the field, and the text is a value of its type.
    package func canHold(_ filter: FieldFilter) -> Bool { (try? query(filter)) != nil }

    private static func message(_ fault: SchemaHistory.FilterFault, _ filter: FieldFilter) -> String {
        switch fault {
        case .noSuchField: "no schema has a field \(filter.field)"
        case .notOfType(let type): "\(filter.field) is of type \(type), and the value is none"
        case .noOrder(let type): "\(filter.field) is of type \(type), which has no order"
        }
    }

    private func slot(of field: String, in history: SchemaHistory) -> Int? {
        guard let type = history.newest.document.fields.first(where: { $0.name == field })?.type.rawValue else { return nil }
        return slots.first { $0.field == field && $0.type == type }?.number
    }

    /// A filter over all schemas.
    package struct FieldQuery: Sendable {
        /// By the history's place.
        fileprivate let queries: [Int: SchemaHistory.FieldQuery]

        /// Hardly a row comes that does not match.
        var isExact: Bool {
            places.allSatisfy { place in
                if case .versions = place { false } else { true }
            }
        }

        /// An index leads to the rows.
        var isIndexed: Bool {
            places.allSatisfy { place in
                if case .slot = place { true } else { false }
            }
        }

        /// Where rows may match; each once.
        var places: [SchemaHistory.FieldQuery.Place] {
            var places: [SchemaHistory.FieldQuery.Place] = []
            for query in queries.sorted(by: { $0.key < $1.key }) {
                for place in query.value.places where !places.contains(place) { places.append(place) }
            }
            return places
        }
    }

    /// An event in the newest shape of its schema; nil when it does not match.
    func shaped(_ event: StoredEvent, _ queries: [FieldQuery]) -> StoredEvent? {
        guard let place = byVersion[event.versionNumber] else { return queries.isEmpty ? event : nil }
        let (fields, extra) = histories[place].shaped(fields: event.fields, extra: event.extra, readWith: event.versionNumber)
        for query in queries {
            guard let query = query.queries[place], query.matches(fields) else { return nil }
        }
        return event.with(fields: fields, extra: extra)
    }
}

/// Loads tenants' schemas. Published versions never change, so each document is read once.
final class TenantSchemaCache: Sendable {
    private let loaded: FreshCache<TenantID, TenantSchemas>

    init(_ database: Database, freshness: Duration, timeout: Duration) {
        let shelf = DocumentShelf()
        loaded = FreshCache(lifetime: freshness, capacity: 10_000) { tenant in
            let deadline = ContinuousClock.now + timeout
            let listed = try await database.read(SchemaNumbers(tenant: tenant), as: tenant, deadline: deadline)
            var documents = shelf.documents(of: tenant)
            let missing = listed.map(\.number).filter { documents[$0] == nil }
            if !missing.isEmpty {
                let read = try await database.read(SchemaDocuments(tenant: tenant, numbers: missing), as: tenant, deadline: deadline)
                for (number, document) in read { documents[number] = try SchemaDocument(yaml: document) }
                shelf.keep(documents, of: tenant)
            }
            var versions: [String: [SchemaHistory.Version]] = [:]
            for (name, number) in listed {
                guard let document = documents[number] else {
                    throw StoreError(.notReady, "the version \(number) of \(name) was listed, and could not be read")
                }
                versions[name, default: []].append(SchemaHistory.Version(number: number, document: document))
            }
            return TenantSchemas(
                versions,
                slots: try await database.read(ListSlots(tenant: tenant), as: tenant, deadline: deadline),
                fills: try await database.read(ListSlotFills(tenant: tenant), as: tenant, deadline: deadline)
            )
        }
    }

    func schemas(of tenant: TenantID) async throws -> TenantSchemas {
        try await loaded.value(for: tenant)
    }
}

/// Documents that were read before, up to a bound in bytes of text.
private final class DocumentShelf: Sendable {
    private struct Held {
        var documents: [TenantID: [Int32: SchemaDocument]] = [:]
        var bytes = 0
    }

    private static let mostBytes = 64 << 20
    private let held = Mutex(Held())

    func documents(of tenant: TenantID) -> [Int32: SchemaDocument] {
        held.withLock { $0.documents[tenant] ?? [:] }
    }

    /// Others make room.
    func keep(_ documents: [Int32: SchemaDocument], of tenant: TenantID) {
        let bytes = Self.bytes(documents)
        held.withLock { held in
            held.bytes -= held.documents.removeValue(forKey: tenant).map(Self.bytes) ?? 0
            while held.bytes + bytes > Self.mostBytes, let other = held.documents.popFirst() { held.bytes -= Self.bytes(other.value) }
            held.documents[tenant] = documents
            held.bytes += bytes
        }
    }

    private static func bytes(_ documents: [Int32: SchemaDocument]) -> Int {
        documents.values.reduce(0) { $0 + $1.canonicalForm.utf8.count }
    }
}

/// A tenant's published versions, without their documents.
struct SchemaNumbers: Statement {
    static let name = "schema_numbers"
    static let sql = "SELECT name, version_no FROM sluice.schemas WHERE tenant_id = $1"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> (name: String, number: Int32) {
        (try row.decode(0), try row.decode(1))
    }
}
