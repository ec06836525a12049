/// One named stream of a tenant, with all that its records are read by.
package struct Source: Sendable {
    /// Every tenant has it: what names no other goes there.
    package static let defaultSlug = "default"

    package let id: SourceID
    package let tenant: TenantID
    package let slug: String
    package let profile: SenderProfile
    /// Nil: records are kept whole.
    package let schema: CompiledSchema?

    package init(id: SourceID, tenant: TenantID, slug: String, profile: SenderProfile, schema: CompiledSchema?) {
        self.id = id
        self.tenant = tenant
        self.slug = slug
        self.profile = profile
        self.schema = schema
    }

    /// The same stream, read as another profile's sender fills it.
    package func behaving(as profile: SenderProfile) -> Source {
        Source(id: id, tenant: tenant, slug: slug, profile: profile, schema: schema)
    }
}
