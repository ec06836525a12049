package import EventCore
import Postgres

/// A tenant's sources, each with the newest version of its schema, ready to read records with.
package final class SourceDirectory: Sendable {
    private let cache: FreshCache<TenantID, [Source]>

    /// - Parameters:
    ///   - epoch: tells when something has changed; nil: sources are believed for `freshness` only.
    ///   - timeout: how long one look-up may take.
    package init(_ database: Database, epoch: AccessEpoch? = nil, freshness: Duration = .seconds(1), timeout: Duration) {
        cache = FreshCache(lifetime: freshness, epoch: epoch, capacity: 10_000) { tenant in
            let rows = try await database.read(TenantSources(tenant: tenant), as: tenant, deadline: .now + timeout)
            return try rows.map { row throws in try row.source(of: tenant) }
        }
    }

    /// The one source of a tenant that fits, from memory and without a wait: nil when `source(of:where:)` must be asked.
    package func known(of tenant: TenantID, where fits: (Source) -> Bool) -> Source? {
        cache.cached(tenant)?.first(where: fits)
    }

    /// The one source of a tenant that fits. When none does, looks past what is remembered: it may have been made just now.
    package func source(of tenant: TenantID, where fits: (Source) -> Bool) async throws -> Source? {
        let askedAt = ContinuousClock.now
        if let source = try await cache.value(for: tenant).first(where: fits) { return source }
        return try await cache.value(for: tenant, loadedSince: askedAt).first(where: fits)
    }
}

/// A source as it is stored, with its schema's newest document.
struct SourceRow: Sendable {
    let id: SourceID
    let slug: String
    let profile: SenderProfile
    let versionNumber: Int32?
    let version: String?
    let document: String?
    /// The tenant's slots: fields, types and numbers of the same length.
    let slotFields: [String]
    let slotTypes: [String]
    let slotNumbers: [Int16]

    func source(of tenant: TenantID) throws -> Source {
        var schema: CompiledSchema?
        if let versionNumber, let version, let document {
            let document = try SchemaDocument(yaml: document)
            var slots: [String: Int] = [:]
            for field in document.fields where field.isIndexed {
                let place = zip(slotFields, slotTypes).enumerated().first { $0.element == (field.name, field.type.rawValue) }
                if let place { slots[field.name] = Int(slotNumbers[place.offset]) }
            }
            schema = CompiledSchema(document, versionNumber: versionNumber, version: version, slots: slots)
        }
        return Source(id: id, tenant: tenant, slug: slug, profile: profile, schema: schema)
    }
}

struct TenantSources: Statement {
    static let name = "tenant_sources"
    static let sql = """
        SELECT s.source_id, s.slug, s.profile, v.version_no, v.version, v.document,
               coalesce(k.fields, '{}'), coalesce(k.types, '{}'), coalesce(k.slots, '{}')
        FROM sluice.sources s
        LEFT JOIN LATERAL (
            SELECT version_no, version, document FROM sluice.schemas v
            WHERE v.tenant_id = s.tenant_id AND v.name = s.schema_name
            ORDER BY version_no DESC LIMIT 1
        ) v ON true
        LEFT JOIN LATERAL (
            SELECT array_agg(field ORDER BY slot) AS fields, array_agg(type ORDER BY slot) AS types,
                   array_agg(slot ORDER BY slot) AS slots
            FROM sluice.schema_slots k WHERE k.tenant_id = s.tenant_id
        ) k ON true
        WHERE s.tenant_id = $1
        """

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> SourceRow {
        SourceRow(
            id: SourceID(rawValue: try row.decode(0)),
            slug: try row.decode(1),
            profile: try row.decodeEnum(2),
            versionNumber: try row.decodeIfPresent(3),
            version: try row.decodeIfPresent(4),
            document: try row.decodeIfPresent(5),
            slotFields: try row.decodeArray(6, of: String.self),
            slotTypes: try row.decodeArray(7, of: String.self),
            slotNumbers: try row.decodeArray(8, of: Int16.self)
        )
    }
}
