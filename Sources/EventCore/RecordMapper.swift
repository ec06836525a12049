/// Turns a record's bytes into an event or a rejection. Reuse one for many records: it keeps its memory.
///
/// Every byte is hostile: a record is scanned once, strictly, and nothing it holds is ever trusted as an offset or a size.
package struct RecordMapper: Sendable {
    var tape = JSONTape()
    /// The value of each pointer's target: a token's index, 0 (the record itself, never a value) where there is none.
    var found: [Int] = []
    var text: [UInt8] = []
    /// What the record may still cost its schema's patterns.
    var patternSteps = SchemaPattern.Steps(most: 0)
    private var members: [Int] = []
    /// Memory for many tokens is given back with the next record.
    private var isLarge = false
    private static let fewMembers = 24
    private static let largeRecord = 256 * 1_024

    package init() {}

    /// Reads one record, white space around it allowed, for a source.
    package mutating func accept(
        _ record: Span<UInt8>,
        from source: Source,
        receivedAt: Timestamp,
        window: AcceptanceWindow
    ) -> Result<AcceptedEvent, Rejection> {
        accept(record, Reading(source: source, receivedAt: receivedAt, window: window))
    }

    package mutating func accept(
        _ record: UnsafeBufferPointer<UInt8>,
        from source: Source,
        receivedAt: Timestamp,
        window: AcceptanceWindow
    ) -> Result<AcceptedEvent, Rejection> {
        accept(record.span, from: source, receivedAt: receivedAt, window: window)
    }

    /// - Parameter recordID: the id that its request gives it; wins over the schema's.
    package mutating func accept(
        _ record: [UInt8],
        from source: Source,
        receivedAt: Timestamp,
        window: AcceptanceWindow,
        recordID: String? = nil
    ) -> Result<AcceptedEvent, Rejection> {
        accept(record.span, Reading(source: source, receivedAt: receivedAt, window: window, requestRecordID: recordID))
    }

    /// What a record is read for.
    struct Reading {
        let source: Source
        let receivedAt: Timestamp
        let window: AcceptanceWindow
        /// The record's id by the request's own; wins over the schema's.
        var requestRecordID: String?
        /// The machine of a record that names none: whom its sender's certificate names. No part of the fingerprint.
        var senderName: String?
    }

    mutating func accept(_ record: Span<UInt8>, _ reading: Reading) -> Result<AcceptedEvent, Rejection> {
        forgetLarge(next: record.count)
        do {
            try tape.scan(record)
        } catch {
            return .failure(Rejection(error))
        }
        return readScanned(record, reading)
    }

    /// Scans the value that the bytes start with; returns the offset after it. `readScanned` reads it.
    mutating func scanValue(_ bytes: Span<UInt8>) throws(JSONError) -> Int {
        forgetLarge(next: 0)
        defer { isLarge = tape.tokens.count > Self.largeRecord / 8 }
        return try tape.scanValue(bytes, from: 0)
    }

    /// False for a number or a literal: only what follows tells where it ends.
    var isScannedValueDelimited: Bool {
        switch tape.tokens.first?.kind {
        case .object, .array, .string: true
        default: false
        }
    }

    /// Reads the record that was scanned last: the same bytes.
    mutating func readScanned(_ record: Span<UInt8>, _ reading: Reading) -> Result<AcceptedEvent, Rejection> {
        do throws(Rejection) {
            if let unstorable = tape.unstorable { throw Rejection(unstorable) }
            guard tape.kind(of: 0) == .object else { throw Rejection(.notAnObject, "an event is a JSON object") }
            if let schema = reading.source.schema {
                return .success(try map(record, with: schema, reading))
            }
            return .success(try keepWhole(record, reading))
        } catch {
            return .failure(error)
        }
    }

    private mutating func forgetLarge(next size: Int) {
        if isLarge { self = RecordMapper() }
        isLarge = size > Self.largeRecord
    }

    private mutating func keepWhole(_ record: Span<UInt8>, _ reading: Reading) throws(Rejection) -> AcceptedEvent {
        let (occurredAt, isStable) = try defaultOccurredAt(record, reading)
        var extra: [UInt8] = []
        extra.reserveCapacity(record.count)
        tape.appendCompact(0, record, to: &extra)
        let digest = fingerprint(record, reading.source)
        return AcceptedEvent(
            id: Self.identity(occurredAt, isStable, digest, reading.requestRecordID),
            explicitID: reading.requestRecordID,
            contentDigest: digest,
            tenant: reading.source.tenant,
            source: reading.source.id,
            occurredAt: occurredAt,
            receivedAt: reading.receivedAt,
            versionNumber: 0,
            type: nil,
            actor: nil,
            machine: reading.senderName,
            slots: [],
            fields: Array("{}".utf8),
            extra: extra,
            hasStableTime: isStable,
            profile: reading.source.profile
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
        let machine = try coreText(.machine, core.machine, record) ?? reading.senderName
        let explicitID = try explicitID(schema.document.id, record, reading)
        var slots: [String?] = []
        let fields = try fields(schema, record, slots: &slots)
        let extra = try extra(schema.document.unknown, record)
        let digest = fingerprint(record, reading.source)
        return AcceptedEvent(
            id: Self.identity(occurredAt, isStable, digest, explicitID),
            explicitID: explicitID,
            contentDigest: digest,
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
            hasStableTime: isStable,
            profile: reading.source.profile
        )
    }

    /// What makes an event itself: its time and its content. One without a time of its own is told by its sender's id from another of the
    /// same content in the same request.
    private static func identity(_ occurredAt: Timestamp, _ isStable: Bool, _ digest: Fingerprint, _ explicitID: String?) -> EventID {
        guard !isStable, let explicitID else { return EventID(occurredAt: occurredAt, fingerprint: digest) }
        return EventID(occurredAt: occurredAt, fingerprint: Fingerprint(hashing: digest.bytes + Array(explicitID.utf8)))
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
                    for target in targets { found[tree.targets[target].place] = value }
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
        guard token.isEscaped else { return tree.child(of: node, record, token.contents) }
        // Decoded once, not once a child: many escaped keys must not cost more than others.
        text.removeAll(keepingCapacity: true)
        JSONTape.decode(token, record, into: &text)
        return tree.child(of: node, text.span, 0..<text.count)
    }

    /// The hash of the record as sent; see `Fingerprint`.
    private mutating func fingerprint(_ record: Span<UInt8>, _ source: Source) -> Fingerprint {
        members.removeAll(keepingCapacity: true)
        let end = tape.tokens[0].next
        var key = 1
        var last: Range<Int>?
        var isSorted = true
        let left = source.profile.unfingerprintedKey
        while key < end {
            let token = tape.tokens[key]
            let next = tape.tokens[key + 1].next
            if let left, token.isEscaped || token.contents.count == left.count, tape.isKey(key, left, record) {
                key = next
                continue
            }
            if let last, !record.precedes(last, token.contents) { isSorted = false }
            last = token.contents
            members.append(key)
            key = next
        }
        if !isSorted { sortMembers(record) }

        text.removeAll(keepingCapacity: true)
        text.append(Fingerprint.format)
        for place: Int32 in 0..<4 { text.append(UInt8(truncatingIfNeeded: source.id.rawValue >> (24 - 8 * place))) }
        text.append(UInt8(ascii: "{"))
        for (place, key) in members.enumerated() {
            if place > 0 { text.append(UInt8(ascii: ",")) }
            tape.appendMember(key, record, to: &text)
        }
        text.append(UInt8(ascii: "}"))
        return Fingerprint(hashing: text)
    }

    private mutating func sortMembers(_ record: Span<UInt8>) {
        guard members.count > Self.fewMembers else {
            // By insertion: what most records have, nearly in order.
            for end in members.indices.dropFirst() {
                let key = members[end]
                let contents = tape.tokens[key].contents
                var place = end
                while place > 0, record.precedes(contents, tape.tokens[members[place - 1]].contents) {
                    members[place] = members[place - 1]
                    place -= 1
                }
                members[place] = key
            }
            return
        }
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
