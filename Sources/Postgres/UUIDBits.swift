/// A `uuid`: its 128 bits, most significant first.
package struct UUIDBits: PostgresValue, Hashable, Comparable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package static var typeOID: UInt32 { 2950 }
    package static var arrayOID: UInt32 { 2951 }

    package func encode(into bytes: inout [UInt8]) {
        bytes.appendBigEndian(high)
        bytes.appendBigEndian(low)
    }

    package init(decoding bytes: UnsafeRawBufferPointer, oid: UInt32) throws(PostgresError) {
        guard bytes.count == 16 else { throw .decoding("expected 16 bytes, found \(bytes.count)") }
        var reader = ByteReader(bytes)
        high = try reader.read()
        low = try reader.read()
    }

    /// The order PostgreSQL sorts uuids in.
    package static func < (left: UUIDBits, right: UUIDBits) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}
