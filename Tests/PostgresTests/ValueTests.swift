@testable import Postgres
import Testing

@Suite struct ValueTests {
    /// There and back; also as text on the server, so that both directions cannot be wrong alike.
    private func check<T: PostgresValue & Equatable>(_ cases: [(T, String)], _ type: String) async throws {
        let connection = try await connect()
        for (value, text) in cases {
            #expect(try await connection.value("SELECT $1::\(type)", bindings(value), as: T.self) == value)
            #expect(try await connection.value("SELECT $1::\(type)::text", bindings(value), as: String.self) == text)
            #expect(try await connection.value("SELECT $1::text::\(type)", bindings(text), as: T.self) == value)
        }
        var all = Bindings()
        all.append(cases.map { $0.0 })
        let row = try #require(
            try await connection.execute(Query("SELECT $1::\(type)[], $1::\(type)[]::text[]", all), deadline: soon).first
        )
        #expect(try row.decodeArray(0, of: T.self) == cases.map(\.0))
        #expect(try row.decodeArray(1, of: String.self) == cases.map(\.1))
        await connection.close()
    }

    @Test func carriesBooleans() async throws { try await check([(true, "true"), (false, "false")], "bool") }

    @Test func carriesIntegers() async throws {
        try await check([(Int16.min, "-32768"), (0, "0"), (.max, "32767")], "int2")
        try await check([(Int32.min, "-2147483648"), (-1, "-1"), (.max, "2147483647")], "int4")
        try await check([(Int64.min, "-9223372036854775808"), (.max, "9223372036854775807")], "int8")
    }

    @Test func carriesDoubles() async throws {
        let cases: [(Double, String)] = [
            (.greatestFiniteMagnitude, "1.7976931348623157e+308"), (.leastNonzeroMagnitude, "5e-324"),
            (.infinity, "Infinity"), (-.infinity, "-Infinity"), (0.1, "0.1"),
        ]
        try await check(cases, "float8")
        let connection = try await connect()
        #expect(try await connection.value("SELECT $1::float8", bindings(Double.nan), as: Double.self).isNaN)
        await connection.close()
    }

    @Test func carriesText() async throws {
        try await check([("", ""), ("zażółć 🦥\n\t\\ \"{},", "zażółć 🦥\n\t\\ \"{},")], "text")
        try await check([("a", "a")], "varchar")
    }

    @Test func carriesTenMegabytesOfText() async throws {
        let connection = try await connect()
        let text = String(repeating: "0123456789", count: 1 << 20)
        #expect(try await connection.value("SELECT $1", bindings(text), as: String.self) == text)
        await connection.close()
    }

    @Test func carriesBytes() async throws {
        try await check([(Bytea([]), "\\x"), (Bytea([0, 1, 0xff]), "\\x0001ff")], "bytea")
    }

    @Test func carriesUUIDs() async throws {
        try await check(
            [
                (UUIDBits(high: 0x0011_2233_4455_6677, low: 0x8899_aabb_ccdd_eeff), "00112233-4455-6677-8899-aabbccddeeff"),
                (UUIDBits(high: .max, low: .max), "ffffffff-ffff-ffff-ffff-ffffffffffff"),
            ],
            "uuid"
        )
    }

    @Test func carriesTimestamps() async throws {
        let connection = try await connect()
        for (micros, text) in [
            (0, "1970-01-01 00:00:00"), (-1, "1969-12-31 23:59:59.999999"), (951_827_696_123_456, "2000-02-29 12:34:56.123456"),
        ] as [(Int64, String)] {
            let value = TimestampTZ(microsecondsSince1970: micros)
            let sql = "SELECT ($1::timestamptz AT TIME ZONE 'UTC')::text"
            #expect(try await connection.value(sql, bindings(value), as: String.self) == text)
            #expect(try await connection.value("SELECT $1::timestamptz", bindings(value), as: TimestampTZ.self) == value)
        }
        for value in [TimestampTZ.infinity, .negativeInfinity] {
            let isInfinite = "SELECT NOT isfinite($1::timestamptz)"
            #expect(try await connection.value(isInfinite, bindings(value), as: Bool.self))
            #expect(try await connection.value("SELECT $1::timestamptz", bindings(value), as: TimestampTZ.self) == value)
        }
        let tooEarly = bindings(TimestampTZ(microsecondsSince1970: .min + 5))
        let error = await postgresError { _ = try await connection.value("SELECT $1", tooEarly, as: TimestampTZ.self) }
        #expect(error?.sqlState == SQLState(rawValue: "22008"))
        let late = "SELECT '294276-12-31 23:59:59+00'::timestamptz"
        #expect(await postgresError { _ = try await connection.value(late, as: TimestampTZ.self) }?.code == .decoding)
        await connection.close()
    }

    @Test func carriesDates() async throws {
        try await check(
            [
                (CalendarDate(daysSince1970: 0), "1970-01-01"), (CalendarDate(daysSince1970: -1), "1969-12-31"),
                (CalendarDate(daysSince1970: 11_016), "2000-02-29"), (.infinity, "infinity"), (.negativeInfinity, "-infinity"),
            ],
            "date"
        )
    }

    @Test func carriesNumerics() async throws {
        let texts =
            [
                "0", "0.00", "1", "-1", "1.50", "0.0001", "0.00001234", "9999", "10000", "12345678.87654321", "-0.1", "100000000",
                "NaN", "Infinity", "-Infinity", "0." + String(repeating: "0", count: 40) + "7",
                String(repeating: "9", count: 1_000) + "." + String(repeating: "3", count: 999),
            ]
        try await check(try texts.map { (try #require(Numeric($0)), $0) }, "numeric")
        for text in texts { #expect(Numeric(text)?.text == text) }
    }

    @Test func readsNumericsWithExponents() {
        #expect(Numeric("1.5e3")?.text == "1500")
        #expect(Numeric("15E-4")?.text == "0.0015")
        #expect(Numeric("-1e+2")?.text == "-100")
        #expect(Numeric("000123")?.text == "123")
        #expect(Numeric(".5")?.text == "0.5")
        #expect(Numeric("1e131071") != nil)
    }

    @Test(arguments: ["", "-", ".", "1e", "e5", "1.2.3", "1e131072", "1e-16384", "1e99999999999999999999", "0x10", " 1", "1 "])
    func refusesWhatIsNoNumeric(_ text: String) {
        #expect(Numeric(text) == nil)
    }

    @Test func carriesJSON() async throws {
        try await check([(JSONText(#"{"b": 1,  "a":"ü"}"#), #"{"b": 1,  "a":"ü"}"#)], "json")
        try await check([(JSONB(#"{"a": [1, null]}"#), #"{"a": [1, null]}"#)], "jsonb")
    }

    @Test func readsNarrowIntegersIntoWideOnes() async throws {
        let connection = try await connect()
        #expect(try await connection.value("SELECT (-7)::int2", as: Int64.self) == -7)
        #expect(try await connection.value("SELECT (-7)::int4", as: Int64.self) == -7)
        #expect(try await connection.value("SELECT (-7)::int2", as: Int32.self) == -7)
        #expect(await postgresError { _ = try await connection.value("SELECT 7::int8", as: Int32.self) }?.code == .decoding)
        await connection.close()
    }
}
