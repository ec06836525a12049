package import EventCore

extension Grant {
    /// What a request without a credential may do on a path that an operator opened: ingest, into that one source.
    package static func opened(
        tenant: TenantID,
        tenantSlug: String,
        retentionDays: Int,
        source: SourceID,
        limits: TenantLimits
    ) -> Grant {
        Grant(
            tenant: tenant,
            tenantSlug: tenantSlug,
            retentionDays: retentionDays,
            scopes: [.ingest],
            source: source,
            bearer: .openPath,
            limits: limits
        )
    }
}
