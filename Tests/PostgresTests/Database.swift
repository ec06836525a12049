@testable import Postgres
import TestSupport

/// An empty database on the shared cluster. The grace is long: the machine may be busy, and closing is not what is tested.
func makeConfiguration(_ names: StatementNames = .auto) async throws -> ConnectionConfiguration {
    let url = try await TestCluster.shared().makeDatabase()
    return try ConnectionConfiguration(url: url, statementNames: names, grace: .seconds(10))
}

func connect(_ configuration: ConnectionConfiguration? = nil) async throws -> Connection {
    let configuration = if let configuration { configuration } else { try await makeConfiguration() }
    return try await Connection.connect(configuration, deadline: soon)
}

/// Long enough for anything that works, short enough for a test that does not.
var soon: ContinuousClock.Instant { .now + .seconds(60) }

extension Connection {
    func value<T: PostgresValue>(_ sql: String, _ bindings: Bindings = Bindings(), as type: T.Type = T.self) async throws -> T {
        let rows = try await execute(Query(sql, bindings), deadline: soon)
        guard let row = rows.first else { throw PostgresError(.unexpectedResult, "no row") }
        return try row.decode(0, as: type)
    }
}

/// The PostgresError the operation throws; nil if it throws none.
func postgresError(_ operation: () async throws -> Void) async -> PostgresError? {
    do {
        try await operation()
        return nil
    } catch {
        return error as? PostgresError
    }
}

func bindings<T: PostgresValue>(_ value: T) -> Bindings {
    var bindings = Bindings()
    bindings.append(value)
    return bindings
}
