@testable import Postgres
import Testing

@Suite struct RowTests {
    @Test func carriesNulls() async throws {
        let connection = try await connect()
        var parameters = Bindings()
        parameters.append(nil as Int32?)
        parameters.append("here" as String?)
        let row = try #require(try await connection.execute(Query("SELECT $1 AS a, $2 AS b", parameters), deadline: soon).first)
        #expect(try row.decodeIfPresent(0, as: Int32.self) == nil)
        #expect(try row.decodeIfPresent("b", as: String.self) == "here")
        #expect(try row.isNull(0))
        #expect(throws: PostgresError.self) { try row.decode(0, as: Int32.self) }
        await connection.close()
    }

    @Test func carriesArraysWithNullsAndEmptyOnes() async throws {
        let connection = try await connect()
        var parameters = Bindings()
        parameters.append(["", nil, "x,\"{}"] as [String?])
        parameters.append([] as [Int64])
        parameters.appendArray(of: Int32.self, 0..<1_000) { $0 % 3 == 0 ? nil : Int32($0) }
        let sql = "SELECT $1, $2, $3, (SELECT sum(x) FROM unnest($3) x), cardinality($2), $1 IS NOT DISTINCT FROM ARRAY['', NULL, 'x,\"{}']"
        let row = try #require(try await connection.execute(Query(sql, parameters), deadline: soon).first)
        #expect(try row.decodeArrayOfOptionals(0, of: String.self) == ["", nil, "x,\"{}"])
        #expect(try row.decodeArray(1, of: Int64.self) == [])
        #expect(try row.decodeArrayOfOptionals(2, of: Int32.self) == (0..<1_000).map { $0 % 3 == 0 ? nil : Int32($0) })
        #expect(try row.decode(3, as: Int64.self) == 332_667)
        #expect(try row.decode(4, as: Int32.self) == 0)
        #expect(try row.decode(5, as: Bool.self))
        #expect(throws: PostgresError.self) { try row.decodeArray(0, of: String.self) }
        await connection.close()
    }

    @Test func refusesWhatIsNotThere() async throws {
        let connection = try await connect()
        let rows = try await connection.execute(
            Query("SELECT 1::int4 AS one, 'x'::text AS x, '{{1,2},{3,4}}'::int4[] AS m"),
            deadline: soon
        )
        let row = try #require(rows.first)
        func code(_ read: () throws(PostgresError) -> Void) -> PostgresError.Code? {
            do throws(PostgresError) { try read(); return nil } catch { return error.code }
        }
        #expect(code { () throws(PostgresError) in _ = try row.decode(3, as: Int32.self) } == .decoding)
        #expect(code { () throws(PostgresError) in _ = try row.decode(-1, as: Int32.self) } == .decoding)
        #expect(code { () throws(PostgresError) in _ = try row.decode("two", as: Int32.self) } == .decoding)
        #expect(code { () throws(PostgresError) in _ = try row.decode("x", as: Int32.self) } == .decoding)
        #expect(code { () throws(PostgresError) in _ = try row.decodeArray("x", of: String.self) } == .decoding)
        #expect(code { () throws(PostgresError) in _ = try row.decodeArray("m", of: Int32.self) } == .decoding)
        #expect(code { () throws(PostgresError) in _ = try rows[5].decode(0, as: Int32.self) } == .decoding)
        #expect(code { () throws(PostgresError) in _ = try row.decode("one", as: Int32.self) } == nil)
        await connection.close()
    }

    @Test func reportsTagsAndRowCounts() async throws {
        let connection = try await connect()
        try await connection.executeScript("CREATE TABLE t (x int)", deadline: soon)
        let result = try await connection.execute(Query("INSERT INTO t SELECT generate_series(1, 7)"), deadline: soon)
        #expect(result.commandTag == "INSERT 0 7")
        #expect(result.affectedRows == 7)
        #expect(result.isEmpty)
        await connection.close()
    }
}
