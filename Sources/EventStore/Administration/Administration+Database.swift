package import Postgres

extension Administration {
    /// Makes a database unless it is there. Not in a transaction: PostgreSQL allows none around it.
    ///
    /// - Parameter connection: to another database of the cluster.
    package static func createDatabase(_ name: String, on connection: Connection) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        let found = try await connection.execute(DatabaseExists(databaseName: name), deadline: deadline)
        guard found.isEmpty else { return }
        let quoted = "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
        try await connection.executeScript("CREATE DATABASE \(quoted)", deadline: deadline)
    }
}

struct DatabaseExists: Statement {
    static let name = "database_exists"
    static let sql = "SELECT true FROM pg_database WHERE datname = $1"

    let databaseName: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(databaseName)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Bool {
        try row.decode(0)
    }
}
