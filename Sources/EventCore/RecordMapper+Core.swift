extension RecordMapper {
    private static let timestamp = Array("timestamp".utf8)
    private static let time = Array("time".utf8)

    /// `type`, `actor`, `machine`: a string, or nothing.
    mutating func coreText(
        _ target: PointerTree.Target,
        _ pointer: JSONPointer?,
        _ record: Span<UInt8>
    ) throws(Rejection) -> String? {
        guard let pointer, let value = value(of: target) else { return nil }
        guard tape.kind(of: value) == .string else { throw Rejection(.typeMismatch, pointer: pointer.description, "must be a string") }
        let text = tape.string(value, record)
        guard text.utf8.count <= AcceptedEvent.longestIndexedValue else {
            throw Rejection(.tooLong, pointer: pointer.description, "longer than \(AcceptedEvent.longestIndexedValue) bytes")
        }
        tape.mark(value, .restorable)
        return text
    }

    /// The request's id for the record, else the schema's: a string, or a number's digits as sent. Neither null nor an empty text is an id.
    mutating func explicitID(_ pointer: JSONPointer?, _ record: Span<UInt8>, _ reading: Reading) throws(Rejection) -> String? {
        if let id = reading.requestRecordID { return id }
        guard let pointer, let value = value(of: .id) else { return nil }
        let text: String
        switch tape.kind(of: value) {
        case .string: text = tape.string(value, record)
        case .number: text = String(utf8: record, tape.tokens[value].range)
        default: throw Rejection(.typeMismatch, pointer: pointer.description, "must be a string or a number")
        }
        guard text.utf8.count <= AcceptedEvent.longestExplicitID else {
            throw Rejection(.tooLong, pointer: pointer.description, "longer than \(AcceptedEvent.longestExplicitID) bytes")
        }
        return text.isEmpty ? nil : text
    }

    /// The schema's `occurred_at`: it must be there, and a time that is accepted.
    mutating func occurredAt(
        _ rule: SchemaDocument.Core.OccurredAt?,
        _ record: Span<UInt8>,
        _ reading: Reading
    ) throws(Rejection) -> (Timestamp, isStable: Bool) {
        guard let rule else { return try defaultOccurredAt(record, reading) }
        let pointer = rule.from.description
        guard let value = value(of: .occurredAt) else { throw Rejection(.missingField, pointer: pointer, "the event's time is missing") }
        guard let (timestamp, isRestorable) = timestamp(value, unit: rule.unit, record) else {
            throw Rejection(.timestampInvalid, pointer: pointer, Self.expectation(rule.unit))
        }
        guard reading.window.contains(timestamp) else {
            throw Rejection(.timestampOutOfRange, pointer: pointer, Self.windowDetail)
        }
        if isRestorable { tape.mark(value, .restorable) }
        return (timestamp, true)
    }

    /// Where no schema says where the time is: `timestamp` or `time`, when that is one, else the time received.
    func defaultOccurredAt(_ record: Span<UInt8>, _ reading: Reading) throws(Rejection) -> (Timestamp, isStable: Bool) {
        let candidates = [(Self.timestamp, "/timestamp"), (Self.time, "/time")]
        for (name, pointer) in candidates {
            guard let value = member(name, record), let (timestamp, _) = timestamp(value, unit: nil, record) else { continue }
            guard reading.window.contains(timestamp) else {
                throw Rejection(.timestampOutOfRange, pointer: pointer, Self.windowDetail)
            }
            return (timestamp, true)
        }
        guard reading.window.contains(reading.receivedAt) else {
            throw Rejection(.timestampOutOfRange, "received outside of what the tenant keeps")
        }
        return (reading.receivedAt, false)
    }

    /// A timestamp, and whether its canonical text is what was sent.
    func timestamp(_ value: Int, unit: TimestampUnit?, _ record: Span<UInt8>) -> (Timestamp, isRestorable: Bool)? {
        let token = tape.tokens[value]
        if let unit {
            guard token.kind == .number, let number = DecimalNumber(record, token.range), let timestamp = unit.timestamp(number) else {
                return nil
            }
            return (timestamp, false)
        }
        guard token.kind == .string else { return nil }
        if token.isEscaped {
            var sent: [UInt8] = []
            JSONTape.decode(token, record, into: &sent)
            guard let timestamp = Timestamp(rfc3339: sent.span) else { return nil }
            return (timestamp, Timestamp.isCanonical(sent.span))
        }
        guard let timestamp = Timestamp(rfc3339: record.extracting(token.contents)) else { return nil }
        return (timestamp, Timestamp.isCanonical(record.extracting(token.contents)))
    }

    /// A target's value; nil when it is absent or null. A core column's explicit null is not kept: it says nothing that absence does not.
    mutating func value(of target: PointerTree.Target) -> Int? {
        let value = found[target.place]
        guard value > 0 else { return nil }
        guard tape.kind(of: value) == .null else { return value }
        tape.mark(value, .restorable)
        return nil
    }

    private func member(_ name: [UInt8], _ record: Span<UInt8>) -> Int? {
        let end = tape.tokens[0].next
        var key = 1
        while key < end {
            if tape.isKey(key, name, record) { return key + 1 }
            key = tape.tokens[key + 1].next
        }
        return nil
    }

    static func expectation(_ unit: TimestampUnit?) -> String {
        switch unit {
        case nil: "must be an RFC 3339 timestamp"
        case .seconds: "must be a number of seconds since 1970"
        case .milliseconds: "must be a number of milliseconds since 1970"
        }
    }

    private static let windowDetail = "before what the tenant keeps, or more than 24 hours ahead"
}
