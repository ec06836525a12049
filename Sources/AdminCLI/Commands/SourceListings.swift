import EventCore
import EventStore

/// A source as it was made or changed.
struct SourceRow: Listing {
    let slug: String
    let profile: String
    @Nullable var schema: String?
    let createdAt: String

    init(_ source: SourceRecord) {
        slug = source.slug
        profile = source.profile.rawValue
        schema = source.schemaName
        createdAt = source.createdAt.rfc3339()
    }

    static let columns = ["source", "profile", "schema", "created at"]
    var cells: [String] { [slug, profile, schema ?? "-", createdAt] }
}

/// A source, and when it was last heard of.
struct ListedSource: Listing {
    let slug: String
    let profile: String
    @Nullable var schema: String?
    let createdAt: String
    @Nullable var lastRequestAt: String?
    @Nullable var usualGapSeconds: Double?
    let isQuiet: Bool

    init(_ source: SourceRecord, _ activity: SourceActivity?) {
        slug = source.slug
        profile = source.profile.rawValue
        schema = source.schemaName
        createdAt = source.createdAt.rfc3339()
        lastRequestAt = activity?.lastRequestAt.rfc3339()
        usualGapSeconds = activity?.usualGap.map { ($0 / .seconds(1)).rounded() }
        isQuiet = activity?.isQuiet ?? false
    }

    static let columns = ["source", "profile", "schema", "created at", "last request", "usual gap", "state"]
    var cells: [String] {
        let gap = usualGapSeconds.map { "\(Int($0)) s" } ?? "-"
        return [slug, profile, schema ?? "-", createdAt, lastRequestAt ?? "-", gap, state]
    }

    private var state: String {
        if lastRequestAt == nil { return "never heard of" }
        return isQuiet ? "quiet" : "as usual"
    }
}
