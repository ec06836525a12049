/// A statement's parameters, in order, in the binary format: one flat buffer, and where each value lies in it.
package struct Bindings: Sendable {
    struct Parameter: Sendable {
        var oid: UInt32
        var offset: Int
        /// -1 for NULL.
        var length: Int

        init(oid: UInt32, offset: Int, length: Int) {
            self.oid = oid
            self.offset = offset
            self.length = length
        }
    }

    var bytes: [UInt8] = []
    var parameters: [Parameter] = []

    package init() {}

    package var count: Int { parameters.count }

    /// Makes room for values whose size is known beforehand.
    package mutating func reserveCapacity(parameters: Int, bytes: Int) {
        self.parameters.reserveCapacity(parameters)
        self.bytes.reserveCapacity(bytes)
    }

    package mutating func append<T: PostgresValue>(_ value: T) {
        let offset = bytes.count
        value.encode(into: &bytes)
        close(T.typeOID, from: offset)
    }

    /// nil is NULL, of T's type.
    package mutating func append<T: PostgresValue>(_ value: T?) {
        guard let value else {
            parameters.append(Parameter(oid: T.typeOID, offset: 0, length: -1))
            return
        }
        append(value)
    }

    package mutating func append<T: PostgresValue>(_ values: [T]) {
        appendArray(of: T.self, values) { $0 }
    }

    package mutating func append<T: PostgresValue>(_ values: [T?]) {
        appendArray(of: T.self, values) { $0 }
    }

    /// One array parameter out of one field of many elements, with no array in between; nil is a NULL element.
    package mutating func appendArray<S: Collection, T: PostgresValue>(
        of type: T.Type,
        _ elements: S,
        _ value: (S.Element) -> T?
    ) {
        let offset = bytes.count
        ArrayFormat.encode(elements, of: type, into: &bytes, value)
        close(T.arrayOID, from: offset)
    }

    mutating func close(_ oid: UInt32, from offset: Int) {
        parameters.append(Parameter(oid: oid, offset: offset, length: bytes.count - offset))
    }

    var types: [UInt32] { parameters.map(\.oid) }
}
