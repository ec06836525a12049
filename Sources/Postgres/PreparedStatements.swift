/// The names a session knows. Bounded: what does not fit is run unnamed.
struct PreparedStatements {
    private struct Entry {
        let sql: String
        let types: [UInt32]
    }

    enum Choice: Equatable {
        case unnamed
        case ready(String)
        case prepare(String)
    }

    static let limit = 256
    /// A session that keeps forgetting is behind something that does not keep statements; it stops naming them.
    static let maximumGenerations = 8

    private var entries: [String: Entry] = [:]
    private var generation = 0

    /// How to run the query; a name that is known with other text or types is not used for this one.
    func choose(_ query: Query, also pending: [String: Query] = [:]) -> Choice {
        guard let name = query.name, generation < Self.maximumGenerations else { return .unnamed }
        let serverName = generation == 0 ? name : "\(name)#\(generation)"
        if let entry = entries[name] {
            guard entry.sql == query.sql, Self.matches(entry.types, query.bindings) else { return .unnamed }
            return .ready(serverName)
        }
        if let other = pending[name] {
            guard other.sql == query.sql, Self.matches(other.bindings.types, query.bindings) else { return .unnamed }
            return .ready(serverName)
        }
        guard entries.count + pending.count < Self.limit else { return .unnamed }
        return .prepare(serverName)
    }

    mutating func remember(_ query: Query) {
        guard let name = query.name else { return }
        entries[name] = Entry(sql: query.sql, types: query.bindings.types)
    }

    /// The server no longer agrees with us. What it may still hold under the old names is left behind.
    mutating func forget() {
        entries.removeAll()
        generation += 1
    }

    private static func matches(_ types: [UInt32], _ bindings: Bindings) -> Bool {
        guard types.count == bindings.parameters.count else { return false }
        for (type, parameter) in zip(types, bindings.parameters) where type != parameter.oid { return false }
        return true
    }
}
