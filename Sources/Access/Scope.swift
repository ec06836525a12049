/// What a credential may do within its tenant.
package enum Scope: String, CaseIterable, Sendable {
    /// POST events with the credential in a header.
    case ingest
    /// POST events with the credential in the URL.
    case hook
    /// Read events and counts.
    case query
    /// Stream everything that matches.
    case export
    /// Quarantine and schemas.
    case admin
}

/// The kind of an API key; its letters stand in the key itself, so that a leaked one tells what it opens.
package enum KeyKind: String, CaseIterable, Sendable {
    case ingest = "ing"
    /// For senders that can only be given a URL. URLs end up in logs and profiles: such a key opens nothing else.
    case hook
    case query = "qry"
    case admin = "adm"

    package var scopes: Set<Scope> {
        switch self {
        case .ingest: [.ingest]
        case .hook: [.hook]
        case .query: [.query, .export]
        case .admin: [.ingest, .query, .export, .admin]
        }
    }
}
