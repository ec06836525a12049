/// PostgreSQL's binary array: dimensions, a has-NULL flag, the element type, then length and value of each element.
///
/// Source: `array_send` and `array_recv` in `src/backend/utils/adt/arrayfuncs.c`. One dimension or none.
enum ArrayFormat {
    static func encode<S: Collection, T: PostgresValue>(
        _ elements: S,
        of type: T.Type,
        into bytes: inout [UInt8],
        _ value: (S.Element) -> T?
    ) {
        let count = elements.count
        bytes.appendBigEndian(Int32(count == 0 ? 0 : 1))
        let flagOffset = bytes.count
        bytes.appendBigEndian(Int32(0))
        bytes.appendBigEndian(T.typeOID)
        guard count > 0 else { return }
        bytes.appendBigEndian(Int32(truncatingIfNeeded: count))
        bytes.appendBigEndian(Int32(1))
        var hasNull = false
        for element in elements {
            guard let value = value(element) else {
                hasNull = true
                bytes.appendBigEndian(Int32(-1))
                continue
            }
            let lengthOffset = bytes.count
            bytes.appendBigEndian(Int32(0))
            value.encode(into: &bytes)
            bytes.storeBigEndian(Int32(truncatingIfNeeded: bytes.count - lengthOffset - 4), at: lengthOffset)
        }
        if hasNull { bytes.storeBigEndian(1, at: flagOffset) }
    }

    static func decode<T: PostgresValue>(
        _ bytes: UnsafeRawBufferPointer,
        of type: T.Type
    ) throws(PostgresError) -> [T?] {
        var reader = ByteReader(bytes)
        let dimensions = try reader.read(Int32.self)
        _ = try reader.read(Int32.self)
        let oid = try reader.read(UInt32.self)
        guard T.accepts(oid: oid) else { throw .decoding("an array of type \(oid) is not one of \(T.self)") }
        guard dimensions > 0 else { return [] }
        guard dimensions == 1 else { throw .decoding("the array has \(dimensions) dimensions") }
        let count = Int(try reader.read(Int32.self))
        _ = try reader.read(Int32.self)
        // Each element takes at least its length: a count beyond that is a lie, and must not reserve memory.
        guard count >= 0, count <= reader.rest.count / 4 else { throw .decoding("the array is cut short") }
        var elements: [T?] = []
        elements.reserveCapacity(count)
        for _ in 0..<count {
            let length = try reader.read(Int32.self)
            if length == -1 {
                elements.append(nil)
            } else {
                elements.append(try T(decoding: reader.take(Int(length)), oid: oid))
            }
        }
        guard reader.rest.isEmpty else { throw .decoding("bytes after the array's end") }
        return elements
    }
}
