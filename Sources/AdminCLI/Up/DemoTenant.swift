import Access
import EventCore
import EventStore
import Foundation

/// The tenant that `sluice up` has ready: ten years of retention, its default source reading what SAP Privileges' webhook sends.
struct DemoTenant {
    static let slug = "demo"

    let administration: Administration

    /// Makes what is missing, and takes the keys of an earlier start as long as they hold.
    func prepare(earlier: DemoFile?, baseURL: String, databaseURL: String) async throws -> DemoFile {
        if try await administration.tenant(slug: Self.slug) == nil {
            _ = try await administration.createTenant(slug: Self.slug, name: "Demo", retentionDays: 3650)
        }
        let document = try SchemaDocument(yaml: SchemaTemplate.privilegesWebhook.yaml)
        _ = try await administration.applySchema(tenant: Self.slug, document: document)

        let hook = try await key(.hook, earlier: earlier?.hookKey)
        return DemoFile(
            baseURL: baseURL,
            tenant: Self.slug,
            hookKey: hook,
            hookURL: "\(baseURL)/hooks/\(hook)",
            ingestKey: try await key(.ingest, earlier: earlier?.ingestKey),
            queryKey: try await key(.query, earlier: earlier?.queryKey),
            adminKey: try await key(.admin, earlier: earlier?.adminKey),
            databaseURL: databaseURL
        )
    }

    private func key(_ kind: KeyKind, earlier: String?) async throws -> String {
        if let earlier = earlier.flatMap({ APIKey($0) }), earlier.kind == kind,
            try await administration.isInForce(earlier, tenant: Self.slug)
        {
            return earlier.text
        }
        return try await administration.createKey(tenant: Self.slug, kind: kind, name: "sluice up").text
    }
}
