/// A Swift value that goes to PostgreSQL and back in the binary format.
///
/// Source of the formats: each type's `…send` and `…recv` function in PostgreSQL's `src/backend/utils/adt`. The OIDs are
/// fixed in `src/include/catalog/pg_type.dat`.
package protocol PostgresValue: Sendable {
    /// The type sent as a parameter.
    static var typeOID: UInt32 { get }
    static var arrayOID: UInt32 { get }
    /// Whether a column of this type can be decoded.
    static func accepts(oid: UInt32) -> Bool
    /// Whether a column of this array type can be decoded element by element.
    static func acceptsArray(oid: UInt32) -> Bool
    /// Appends the value's bytes, without a length.
    func encode(into bytes: inout [UInt8])
    /// Reads a whole value; `PostgresError(.decoding)` for bytes that are not one.
    init(decoding bytes: UnsafeRawBufferPointer, oid: UInt32) throws(PostgresError)
}

extension PostgresValue {
    package static func accepts(oid: UInt32) -> Bool { oid == typeOID }
    package static func acceptsArray(oid: UInt32) -> Bool { oid == arrayOID }
}

extension [UInt8] {
    package mutating func appendBigEndian<T: FixedWidthInteger>(_ value: T) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    package mutating func storeBigEndian(_ value: Int32, at offset: Int) {
        Swift.withUnsafeBytes(of: value.bigEndian) { source in
            for index in 0..<4 { self[offset + index] = source[index] }
        }
    }
}

extension UnsafeRawBufferPointer {
    /// The whole buffer as one big-endian integer.
    func bigEndian<T: FixedWidthInteger>(_ type: T.Type) throws(PostgresError) -> T {
        guard count == MemoryLayout<T>.size else {
            throw .decoding("expected \(MemoryLayout<T>.size) bytes, found \(count)")
        }
        return T(bigEndian: loadUnaligned(as: T.self))
    }

    /// The bytes as UTF-8 text.
    func text() throws(PostgresError) -> String {
        guard let text = String(validating: self, as: UTF8.self) else { throw .decoding("the text is not UTF-8") }
        return text
    }
}

/// Reads a value's parts in order; every step checks its bounds.
struct ByteReader {
    private(set) var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) {
        rest = bytes
    }

    mutating func read<T: FixedWidthInteger>(_ type: T.Type = T.self) throws(PostgresError) -> T {
        try take(MemoryLayout<T>.size).bigEndian(T.self)
    }

    mutating func take(_ count: Int) throws(PostgresError) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= rest.count else { throw .decoding("the value is cut short") }
        let taken = UnsafeRawBufferPointer(rebasing: rest.prefix(count))
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        return taken
    }
}
