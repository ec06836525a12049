/// In which order events are walked, by when they occurred.
package enum EventOrder: String, Sendable, CaseIterable {
    case newestFirst = "desc"
    case oldestFirst = "asc"

    var direction: String { self == .newestFirst ? "DESC" : "ASC" }
    /// How a position behind another one compares with it.
    var isBehind: String { self == .newestFirst ? "<" : ">" }
}
