/// One statement to run, with its parameters.
package struct Query: Sendable {
    /// The name it is prepared under and kept by the session; nil is never prepared.
    package var name: String?
    /// One statement; `$1` and so on are the bindings.
    package var sql: String
    package var bindings: Bindings
    package var planning = Planning.free

    /// What the planner may choose from, for who sets the transaction up.
    package enum Planning: Sendable {
        case free
        /// No sort of all that matches: rows are wanted in an index's order, and few of them.
        case byIndex
        /// As `byIndex`, once a session, without the values: for a text whose every good plan is the same one.
        case kept
    }

    package init(name: String?, sql: String, bindings: Bindings = Bindings()) {
        self.name = name
        self.sql = sql
        self.bindings = bindings
    }

    package init(_ sql: String, _ bindings: Bindings = Bindings()) {
        self.init(name: nil, sql: sql, bindings: bindings)
    }

    package init(_ sql: String, bindings: Bindings) {
        self.init(name: nil, sql: sql, bindings: bindings)
    }
}

/// A query and what a row of it means. Its text may be composed, of parts that are all ours; what comes from outside is bound.
package protocol QueryStatement: Sendable {
    associatedtype Output: Sendable
    var query: Query { get }
    static func decode(_ row: Row) throws(PostgresError) -> Output
}

/// A query whose text never changes: its name, its SQL, what it binds and what a row of it means, in one type.
package protocol Statement: QueryStatement {
    static var name: String { get }
    static var sql: String { get }
    func bind(_ bindings: inout Bindings)
}

extension Statement {
    package var query: Query {
        var bindings = Bindings()
        bind(&bindings)
        return Query(name: Self.name, sql: Self.sql, bindings: bindings)
    }
}

/// A statement that returns no row worth decoding.
extension QueryStatement where Output == Void {
    package static func decode(_ row: Row) throws(PostgresError) {}
}
