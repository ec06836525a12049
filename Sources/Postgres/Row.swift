import CLibPQ

import Glibc

/// One row of a result. Columns count from 0.
///
/// A column that is not there, a NULL where a value is wanted or another type than asked for is
/// `PostgresError(.decoding)`; the message names the column and types, never a value.
package struct Row: Sendable {
    let handle: ResultHandle
    let index: Int

    package var columnCount: Int { Int(PQnfields(handle.pointer)) }

    package func decode<T: PostgresValue>(_ column: Int, as type: T.Type = T.self) throws(PostgresError) -> T {
        let (bytes, oid) = try content(of: column, for: type)
        guard let bytes else { throw Self.null(column) }
        defer { withExtendedLifetime(handle) {} }
        return try T(decoding: bytes, oid: oid)
    }

    /// nil for NULL.
    package func decodeIfPresent<T: PostgresValue>(_ column: Int, as type: T.Type = T.self) throws(PostgresError) -> T? {
        let (bytes, oid) = try content(of: column, for: type)
        guard let bytes else { return nil }
        defer { withExtendedLifetime(handle) {} }
        return try T(decoding: bytes, oid: oid)
    }

    /// A NULL array, or a NULL in it, is an error.
    package func decodeArray<T: PostgresValue>(_ column: Int, of type: T.Type = T.self) throws(PostgresError) -> [T] {
        let optionals = try decodeArrayOfOptionals(column, of: type)
        var values: [T] = []
        values.reserveCapacity(optionals.count)
        for value in optionals {
            guard let value else { throw .decoding("column \(column) has a NULL element") }
            values.append(value)
        }
        return values
    }

    /// A NULL array is an error.
    package func decodeArrayOfOptionals<T: PostgresValue>(
        _ column: Int,
        of type: T.Type = T.self
    ) throws(PostgresError) -> [T?] {
        let oid = try typeOID(of: column)
        guard T.acceptsArray(oid: oid) else { throw .decoding("column \(column) has type \(oid), no array of \(T.self)") }
        guard let bytes = field(column) else { throw Self.null(column) }
        defer { withExtendedLifetime(handle) {} }
        return try ArrayFormat.decode(bytes, of: type)
    }

    package func isNull(_ column: Int) throws(PostgresError) -> Bool {
        _ = try typeOID(of: column)
        return field(column) == nil
    }

    private static func null(_ column: Int) -> PostgresError { .decoding("column \(column) is NULL") }

    /// What `decode` reads; no `T?` in between, for whose type the runtime would have to be asked.
    private func content(
        of column: Int,
        for type: any PostgresValue.Type
    ) throws(PostgresError) -> (bytes: UnsafeRawBufferPointer?, oid: UInt32) {
        let oid = try typeOID(of: column)
        guard type.accepts(oid: oid) else { throw .decoding("column \(column) has type \(oid), not one for \(type)") }
        return (field(column), oid)
    }

    private func typeOID(of column: Int) throws(PostgresError) -> UInt32 {
        guard index >= 0, index < Int(PQntuples(handle.pointer)) else { throw .decoding("there is no row \(index)") }
        guard column >= 0, column < columnCount else { throw .decoding("there is no column \(column)") }
        guard PQfformat(handle.pointer, Int32(column)) == 1 else { throw .decoding("column \(column) is not in binary format") }
        return PQftype(handle.pointer, Int32(column))
    }

    /// nil for NULL. Row and column were checked; the bytes live as long as the handle.
    private func field(_ column: Int) -> UnsafeRawBufferPointer? {
        let (row, column) = (Int32(index), Int32(column))
        guard PQgetisnull(handle.pointer, row, column) == 0 else { return nil }
        return UnsafeRawBufferPointer(
            start: PQgetvalue(handle.pointer, row, column),
            count: Int(PQgetlength(handle.pointer, row, column))
        )
    }
}

/// By name: the first column called so, by exact spelling.
extension Row {
    package func decode<T: PostgresValue>(_ column: String, as type: T.Type = T.self) throws(PostgresError) -> T {
        try decode(try position(of: column), as: type)
    }

    package func decodeIfPresent<T: PostgresValue>(_ column: String, as type: T.Type = T.self) throws(PostgresError) -> T? {
        try decodeIfPresent(try position(of: column), as: type)
    }

    package func decodeArray<T: PostgresValue>(_ column: String, of type: T.Type = T.self) throws(PostgresError) -> [T] {
        try decodeArray(try position(of: column), of: type)
    }

    package func decodeArrayOfOptionals<T: PostgresValue>(
        _ column: String,
        of type: T.Type = T.self
    ) throws(PostgresError) -> [T?] {
        try decodeArrayOfOptionals(try position(of: column), of: type)
    }

    private func position(of name: String) throws(PostgresError) -> Int {
        for column in 0..<columnCount where PQfname(handle.pointer, Int32(column)).map({ strcmp($0, name) }) == 0 {
            return column
        }
        throw .decoding("there is no column \"\(name)\"")
    }
}
