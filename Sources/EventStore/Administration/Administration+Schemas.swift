package import EventCore

extension Administration {
    /// Puts a schema in force: see `SchemaRegistry.apply`.
    ///
    /// - Returns: the version in force.
    package func applySchema(
        tenant tenantSlug: String,
        document: SchemaDocument,
        allowBreaking: Bool = false
    ) async throws -> SchemaVersionRecord {
        let registry = SchemaRegistry(try await access(tenant: tenantSlug))
        return try await registry.apply(document, allowBreaking: allowBreaking, deadline: .now + .seconds(30)).inForce
    }
}
