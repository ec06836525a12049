@testable import Postgres
import TestSupport
import Testing

private struct Doubled: Statement {
    static let name = "doubled"
    static let sql = "SELECT x * 2 FROM unnest($1) x"
    var numbers: [Int32]

    func bind(_ bindings: inout Bindings) { bindings.append(numbers) }

    static func decode(_ row: Row) throws(PostgresError) -> Int32 { try row.decode(0) }
}

@Suite(.fewAtOnce) struct StatementTests {
    private func preparedCount(_ connection: Connection) async throws -> Int64 {
        try await connection.value("SELECT count(*) FROM pg_prepared_statements", as: Int64.self)
    }

    @Test func preparesOnceAndUsesTheNameAgain() async throws {
        let connection = try await connect()
        #expect(connection.usesNamedStatements)
        for _ in 0..<3 {
            #expect(try await connection.execute(Doubled(numbers: [1, 2]), deadline: soon) == [2, 4])
        }
        let inside = try await connection.transaction(deadline: soon) { try $0.execute(Doubled(numbers: [4]), deadline: soon) }
        #expect(inside == [8])
        #expect(try await preparedCount(connection) == 1)
        await connection.close()
    }

    @Test func preparesNothingWhenUnnamed() async throws {
        let connection = try await connect(try await makeConfiguration(.unnamed))
        #expect(!connection.usesNamedStatements)
        #expect(try await connection.execute(Doubled(numbers: [1, 2]), deadline: soon) == [2, 4])
        let results = try await connection.transaction([Doubled(numbers: [5]).query], deadline: soon)
        #expect(try results[0].decode(Doubled.self) == [10])
        #expect(try await preparedCount(connection) == 0)
        await connection.close()
    }

    /// A pooler tells its own process id in the start-up's BackendKeyData ('K', length 12, id, key).
    @Test func namesNothingBehindAPooler() async throws {
        let cluster = try await TestCluster.shared()
        let relay = try TCPRelay(to: "\(cluster.socketDirectory)/.s.PGSQL.5432") { bytes in
            var bytes = bytes
            let mark: [UInt8] = [UInt8(ascii: "K"), 0, 0, 0, 12]
            for start in bytes.indices.dropLast(13) where Array(bytes[start..<start + 5]) == mark { bytes[start + 8] ^= 1 }
            return bytes
        }
        defer { relay.close() }
        let direct = try ConnectionConfiguration(url: try await cluster.makeDatabase())
        let (user, database) = (try #require(direct.value(of: "user")), try #require(direct.value(of: "dbname")))
        let url = "host=127.0.0.1 port=\(relay.number) user=\(user) dbname=\(database) sslmode=disable gssencmode=disable"
        let connection = try await connect(try ConnectionConfiguration(url: url))
        #expect(!connection.usesNamedStatements)
        #expect(try await connection.execute(Doubled(numbers: [1, 2]), deadline: soon) == [2, 4])
        #expect(try await preparedCount(connection) == 0)
        await connection.close()
    }

    @Test func aNameWithOtherTextOrTypesRunsUnnamed() async throws {
        let connection = try await connect()
        let first = Query(name: "n", sql: "SELECT $1", bindings: bindings(Int32(1)))
        let otherType = Query(name: "n", sql: "SELECT $1", bindings: bindings("text"))
        let otherText = Query(name: "n", sql: "SELECT $1 + 1", bindings: bindings(Int32(1)))
        #expect(try await connection.execute(first, deadline: soon)[0].decode(0, as: Int32.self) == 1)
        #expect(try await connection.execute(otherType, deadline: soon)[0].decode(0, as: String.self) == "text")
        #expect(try await connection.execute(otherText, deadline: soon)[0].decode(0, as: Int32.self) == 2)
        await connection.close()
    }

    @Test func keepsABoundedNumber() async throws {
        let connection = try await connect()
        let queries = (0..<300).map { Query(name: "q\($0)", sql: "SELECT \($0)") }
        #expect(try await connection.transaction(queries, deadline: soon).count == 300)
        #expect(try await preparedCount(connection) == 256)
        await connection.close()
    }

    @Test(arguments: [
        "DEALLOCATE ALL", "DEALLOCATE ALL; PREPARE doubled AS SELECT 1; DEALLOCATE doubled",
        "ALTER TABLE t ALTER x TYPE int8",
    ])
    func aRetryWorksAfterTheServerForgot(_ sql: String) async throws {
        let connection = try await connect()
        try await connection.executeScript("CREATE TABLE t (x int4)", deadline: soon)
        let query = Query(name: "t", sql: "SELECT x FROM t")
        _ = try await connection.execute(query, deadline: soon)
        try await connection.executeScript(sql, deadline: soon)
        let error = await postgresError { _ = try await connection.execute(query, deadline: soon) }
        #expect(error?.isTransient == true)
        _ = try await connection.execute(query, deadline: soon)
        _ = try await connection.transaction([query], deadline: soon)
        await connection.close()
    }

    @Test func aRetryWorksWhenTheNameIsTaken() async throws {
        let connection = try await connect()
        try await connection.executeScript("PREPARE t AS SELECT 'not ours'", deadline: soon)
        let query = Query(name: "t", sql: "SELECT 'ours'")
        #expect(await postgresError { _ = try await connection.transaction([query], deadline: soon) }?.isTransient == true)
        #expect(try await connection.execute(query, deadline: soon)[0].decode(0, as: String.self) == "ours")
        await connection.close()
    }
}
