import Access
import EventCore
import Postgres

// Where the words of the domain become PostgreSQL's values and back.

extension Timestamp {
    var timestamptz: TimestampTZ { TimestampTZ(microsecondsSince1970: microsecondsSince1970) }

    init(_ value: TimestampTZ) {
        self.init(microsecondsSince1970: value.microsecondsSince1970)
    }
}

extension EventID {
    var uuid: UUIDBits { UUIDBits(high: high, low: low) }

    init(_ value: UUIDBits) {
        self.init(high: value.high, low: value.low)
    }
}

extension Row {
    func timestamp(_ column: Int) throws(PostgresError) -> Timestamp {
        Timestamp(try decode(column, as: TimestampTZ.self))
    }

    func timestampIfPresent(_ column: Int) throws(PostgresError) -> Timestamp? {
        try decodeIfPresent(column, as: TimestampTZ.self).map(Timestamp.init)
    }

    /// A text column whose check constraint allows just an enum's raw values.
    func decodeEnum<T: RawRepresentable<String>>(_ column: Int, as: T.Type = T.self) throws(PostgresError) -> T {
        let text: String = try decode(column)
        guard let value = T(rawValue: text) else {
            throw PostgresError(.decoding, "column \(column) holds no \(T.self)")
        }
        return value
    }

    func scopes(_ column: Int) throws(PostgresError) -> Set<Scope> {
        Set(try decodeArray(column, of: String.self).compactMap(Scope.init(rawValue:)))
    }

    func keyID(_ column: Int) throws(PostgresError) -> KeyID {
        guard let id = KeyID(try decode(column, as: String.self)) else {
            throw PostgresError(.decoding, "column \(column) holds no key id")
        }
        return id
    }

    /// What `sluice.limit_values` returns.
    func limits(_ column: Int) throws(PostgresError) -> TenantLimits {
        var limits = TenantLimits()
        for (name, value) in zip(TenantLimits.Name.allCases, try decodeArrayOfOptionals(column, of: Int64.self)) {
            limits[name] = value.flatMap { Int(exactly: $0) }
        }
        return limits
    }
}
