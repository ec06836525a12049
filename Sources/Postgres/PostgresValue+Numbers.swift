extension Bool: PostgresValue {
    package static var typeOID: UInt32 { 16 }
    package static var arrayOID: UInt32 { 1000 }

    package func encode(into bytes: inout [UInt8]) { bytes.append(self ? 1 : 0) }

    package init(decoding bytes: UnsafeRawBufferPointer, oid: UInt32) throws(PostgresError) {
        self = try bytes.bigEndian(UInt8.self) != 0
    }
}

extension Int16: PostgresValue {
    package static var typeOID: UInt32 { 21 }
    package static var arrayOID: UInt32 { 1005 }

    package func encode(into bytes: inout [UInt8]) { bytes.appendBigEndian(self) }

    package init(decoding bytes: UnsafeRawBufferPointer, oid: UInt32) throws(PostgresError) {
        self = try bytes.bigEndian(Int16.self)
    }
}

/// Also reads int2.
extension Int32: PostgresValue {
    package static var typeOID: UInt32 { 23 }
    package static var arrayOID: UInt32 { 1007 }
    package static func accepts(oid: UInt32) -> Bool { oid == typeOID || Int16.accepts(oid: oid) }
    package static func acceptsArray(oid: UInt32) -> Bool { oid == arrayOID || Int16.acceptsArray(oid: oid) }

    package func encode(into bytes: inout [UInt8]) { bytes.appendBigEndian(self) }

    package init(decoding bytes: UnsafeRawBufferPointer, oid: UInt32) throws(PostgresError) {
        self = oid == Int16.typeOID ? Int32(try bytes.bigEndian(Int16.self)) : try bytes.bigEndian(Int32.self)
    }
}

/// Also reads int2 and int4.
extension Int64: PostgresValue {
    package static var typeOID: UInt32 { 20 }
    package static var arrayOID: UInt32 { 1016 }
    package static func accepts(oid: UInt32) -> Bool { oid == typeOID || Int32.accepts(oid: oid) }
    package static func acceptsArray(oid: UInt32) -> Bool { oid == arrayOID || Int32.acceptsArray(oid: oid) }

    package func encode(into bytes: inout [UInt8]) { bytes.appendBigEndian(self) }

    package init(decoding bytes: UnsafeRawBufferPointer, oid: UInt32) throws(PostgresError) {
        switch oid {
        case Int16.typeOID: self = Int64(try bytes.bigEndian(Int16.self))
        case Int32.typeOID: self = Int64(try bytes.bigEndian(Int32.self))
        default: self = try bytes.bigEndian(Int64.self)
        }
    }
}

extension Double: PostgresValue {
    package static var typeOID: UInt32 { 701 }
    package static var arrayOID: UInt32 { 1022 }

    package func encode(into bytes: inout [UInt8]) { bytes.appendBigEndian(bitPattern) }

    package init(decoding bytes: UnsafeRawBufferPointer, oid: UInt32) throws(PostgresError) {
        self = Double(bitPattern: try bytes.bigEndian(UInt64.self))
    }
}
