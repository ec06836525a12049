/// A `timestamptz`: microseconds since 1970-01-01 00:00 UTC.
package struct TimestampTZ: PostgresValue, Hashable, Comparable {
    package var microsecondsSince1970: Int64

    package init(microsecondsSince1970: Int64) {
        self.microsecondsSince1970 = microsecondsSince1970
    }

    package static let infinity = TimestampTZ(microsecondsSince1970: .max)
    package static let negativeInfinity = TimestampTZ(microsecondsSince1970: .min)

    package static var typeOID: UInt32 { 1184 }
    package static var arrayOID: UInt32 { 1185 }
    /// From 1970 to 2000-01-01, where PostgreSQL counts from.
    static var epochOffset: Int64 { 946_684_800_000_000 }

    /// A value too early for PostgreSQL is sent as the earliest that is not `-infinity`, which the server refuses.

    package func encode(into bytes: inout [UInt8]) {
        guard self != .infinity, self != .negativeInfinity else { return bytes.appendBigEndian(microsecondsSince1970) }
        let (shifted, overflow) = microsecondsSince1970.subtractingReportingOverflow(Self.epochOffset)
        bytes.appendBigEndian(overflow ? .min + 1 : shifted)
    }

    package init(decoding bytes: UnsafeRawBufferPointer, oid: UInt32) throws(PostgresError) {
        let wire = try bytes.bigEndian(Int64.self)
        guard wire != .max, wire != .min else {
            microsecondsSince1970 = wire
            return
        }
        let (shifted, overflow) = wire.addingReportingOverflow(Self.epochOffset)
        guard !overflow else { throw .decoding("the timestamp is beyond 64 bits of microseconds") }
        microsecondsSince1970 = shifted
    }

    package static func < (left: TimestampTZ, right: TimestampTZ) -> Bool {
        left.microsecondsSince1970 < right.microsecondsSince1970
    }
}

/// A `date`: days since 1970-01-01.
package struct CalendarDate: PostgresValue, Hashable, Comparable {
    package var daysSince1970: Int32

    package init(daysSince1970: Int32) {
        self.daysSince1970 = daysSince1970
    }

    package static let infinity = CalendarDate(daysSince1970: .max)
    package static let negativeInfinity = CalendarDate(daysSince1970: .min)

    package static var typeOID: UInt32 { 1082 }
    package static var arrayOID: UInt32 { 1182 }
    /// From 1970 to 2000-01-01, where PostgreSQL counts from.
    private static let epochOffset: Int32 = 10_957

    /// A value too early for PostgreSQL is sent as the earliest that is not `-infinity`, which the server refuses.
    package func encode(into bytes: inout [UInt8]) {
        guard self != .infinity, self != .negativeInfinity else { return bytes.appendBigEndian(daysSince1970) }
        let (shifted, overflow) = daysSince1970.subtractingReportingOverflow(Self.epochOffset)
        bytes.appendBigEndian(overflow ? .min + 1 : shifted)
    }

    package init(decoding bytes: UnsafeRawBufferPointer, oid: UInt32) throws(PostgresError) {
        let wire = try bytes.bigEndian(Int32.self)
        guard wire != .max, wire != .min else {
            daysSince1970 = wire
            return
        }
        let (shifted, overflow) = wire.addingReportingOverflow(Self.epochOffset)
        guard !overflow else { throw .decoding("the date is beyond 32 bits of days") }
        daysSince1970 = shifted
    }

    package static func < (left: CalendarDate, right: CalendarDate) -> Bool {
        left.daysSince1970 < right.daysSince1970
    }
}
