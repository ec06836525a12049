/// Turns a record's bytes into an event or a rejection. Reuse one for many records: it keeps its memory.
///
/// Every byte is hostile: a record is scanned once, strictly, and nothing it holds is ever trusted as an offset or a size.
package struct RecordMapper: Sendable {
    var tape = JSONTape()
    /// The value of each pointer's target: a token's index, 0 (the record itself, never a value) where there is none.
    var found: [Int] = []
    var text: [UInt8] = []
    private var members: [Int] = []
    /// Memory for many tokens is given back with the next record.
    private var isLarge = false
    private static let largeRecord = 256 * 1_024

    package init() {}

    /// Reads one record, white space around it allowed, for a source.
    package mutating func accept(
        _ record: Span<UInt8>,
        from source: Source,
        receivedAt: Timestamp,
        window: AcceptanceWindow
    ) -> Result<AcceptedEvent, Rejection> {
        if isLarge { self = RecordMapper() }
        isLarge = record.count > Self.largeRecord
        do {
            try scan(record)
            let reading = Reading(source: source, receivedAt: receivedAt, window: window)
            if let schema = source.schema {
                return .success(try map(record, with: schema, reading))
            }
            return .success(try keepWhole(record, reading))
        } catch {
            return .failure(error)
        }
    }

    package mutating func accept(
        _ record: UnsafeBufferPointer<UInt8>,
        from source: Source,
        receivedAt: Timestamp,
        window: AcceptanceWindow
    ) -> Result<AcceptedEvent, Rejection> {
        accept(record.span, from: source, receivedAt: receivedAt, window: window)
    }

    package mutating func accept(
        _ record: [UInt8],
        from source: Source,
        receivedAt: Timestamp,
        window: AcceptanceWindow
    ) -> Result<AcceptedEvent, Rejection> {
        accept(record.span, from: source, receivedAt: receivedAt, window: window)
    }

    /// What a record is read for.
    struct Reading {
        let source: Source
        let receivedAt: Timestamp
        let window: AcceptanceWindow
    }

    private mutating func scan(_ record: Span<UInt8>) throws(Rejection) {
        do {
            try tape.scan(record)
        } catch {
            throw Rejection(error)
        }
        guard tape.kind(of: 0) == .object else { throw Rejection(.notAnObject, "an event is a JSON object") }
    }

    private mutating func keepWhole(_ record: Span<UInt8>, _ reading: Reading) throws(Rejection) -> AcceptedEvent {
        let (occurredAt, isStable) = try defaultOccurredAt(record, reading)
        var extra: [UInt8] = []
        extra.reserveCapacity(record.count)
        tape.appendCompact(0, record, to: &extra)
        return AcceptedEvent(
            id: EventID(occurredAt: occurredAt, fingerprint: fingerprint(record, reading.source)),
            tenant: reading.source.tenant,
            source: reading.source.id,
            occurredAt: occurredAt,
            receivedAt: reading.receivedAt,
            versionNumber: 0,
            type: nil,
            actor: nil,
            machine: nil,
            slots: [],
            fields: Array("{}".utf8),
            extra: extra,
            hasStableTime: isStable
        )
    }

    private mutating func map(_ record: Span<UInt8>, with schema: CompiledSchema, _ reading: Reading) throws(Rejection) -> AcceptedEvent {
        found.removeAll(keepingCapacity: true)
        found.append(contentsOf: repeatElement(0, count: schema.pointers.targetCount))
        claim(schema.pointers, node: 0, object: 0, record)

        let core = schema.document.core
        let (occurredAt, isStable) = try occurredAt(core.occurredAt, record, reading)
        let type = try coreText(.type, core.type, record)
        let actor = try coreText(.actor, core.actor, record)
        let machine = try coreText(.machine, core.machine, record)
        var slots: [String?] = []
        let fields = try fields(schema, record, slots: &slots)
        let extra = try extra(schema.document.unknown, record)
        return AcceptedEvent(
            id: EventID(occurredAt: occurredAt, fingerprint: fingerprint(record, reading.source)),
            tenant: reading.source.tenant,
            source: reading.source.id,
            occurredAt: occurredAt,
            receivedAt: reading.receivedAt,
            versionNumber: schema.versionNumber,
            type: type,
            actor: actor,
            machine: machine,
            slots: slots,
            fields: fields,
            extra: extra,
            hasStableTime: isStable
        )
    }

    /// Finds the values that the pointers name, and marks them.
    private mutating func claim(_ tree: PointerTree, node: Int, object: Int, _ record: Span<UInt8>) {
        let end = tape.tokens[object].next
        var key = object + 1
        while key < end {
            let value = key + 1
            if let child = child(of: node, in: tree, key, record) {
                let targets = tree.nodes[child].targets
                if !targets.isEmpty {
                    tape.mark(value, .altered)
                    for target in targets { found[target.place] = value }
                } else if tape.kind(of: value) == .object {
                    tape.mark(value, .parent)
                    claim(tree, node: child, object: value, record)
                } else if tape.kind(of: value) == .null {
                    // No object to look into, and nothing unknown either.
                    tape.mark(value, .altered)
                }
            }
            key = tape.tokens[value].next
        }
    }

    private mutating func child(of node: Int, in tree: PointerTree, _ key: Int, _ record: Span<UInt8>) -> Int? {
        let token = tape.tokens[key]
        guard token.isEscaped else {
            for child in tree.nodes[node].children where record.isEqual(token.contents, child.key) { return child.node }
            return nil
        }
        // Decoded once, not once a child: many escaped keys must not cost more than others.
        text.removeAll(keepingCapacity: true)
        JSONTape.decode(token, record, into: &text)
        for child in tree.nodes[node].children where text == child.key { return child.node }
        return nil
    }

    /// The hash of the record as sent; see `Fingerprint`.
    private mutating func fingerprint(_ record: Span<UInt8>, _ source: Source) -> Fingerprint {
        members.removeAll(keepingCapacity: true)
        let end = tape.tokens[0].next
        var key = 1
        var isSorted = true
        while key < end {
            if let left = source.profile.unfingerprintedKey, tape.isKey(key, left, record) {
                key = tape.tokens[key + 1].next
                continue
            }
            if let last = members.last, !record.precedes(tape.tokens[last].contents, tape.tokens[key].contents) { isSorted = false }
            members.append(key)
            key = tape.tokens[key + 1].next
        }
        if !isSorted { sortMembers(record) }

        text.removeAll(keepingCapacity: true)
        text.append(Fingerprint.format)
        for shift in [24, 16, 8, 0] { text.append(UInt8(truncatingIfNeeded: source.id.rawValue >> Int32(shift))) }
        text.append(UInt8(ascii: "{"))
        for (place, key) in members.enumerated() {
            if place > 0 { text.append(UInt8(ascii: ",")) }
            text.append(record, tape.tokens[key].range)
            text.append(UInt8(ascii: ":"))
            tape.appendCompact(key + 1, record, to: &text)
        }
        text.append(UInt8(ascii: "}"))
        return Fingerprint(hashing: text)
    }

    private mutating func sortMembers(_ record: Span<UInt8>) {
        let tokens = tape.tokens
        let keys = members.map { tokens[$0].contents }
        record.withUnsafeBufferPointer { bytes in
            let order = keys.indices.sorted { bytes[keys[$0]].lexicographicallyPrecedes(bytes[keys[$1]]) }
            members = order.map { members[$0] }
        }
    }
}

extension Span<UInt8> {
    /// Byte order of two ranges.
    func precedes(_ left: Range<Int>, _ right: Range<Int>) -> Bool {
        for place in 0..<Swift.min(left.count, right.count) {
            let (a, b) = (self[left.lowerBound + place], self[right.lowerBound + place])
            if a != b { return a < b }
        }
        return left.count < right.count
    }
}
