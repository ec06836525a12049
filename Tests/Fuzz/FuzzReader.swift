// The fuzz target of docs/fuzzing.md: compiled with EventCore's sources into one module by run.sh, no part of `swift test`.

/// Stops the fuzzer, and says why in an optimised build too.
private func require(_ condition: Bool, _ what: String) {
    if !condition { fatalError(what) }
}

/// How to read the body: the input's first byte.
private struct FuzzSetup {
    let framing: RecordReader.Framing
    let source: Source
    let maximumRecordBytes: Int
    let pieces: [Int]

    init(_ choice: UInt8, _ sources: [Source]) {
        framing = choice & 1 == 0 ? .any : .lines
        source = sources[Int(choice >> 1 & 3) % sources.count]
        maximumRecordBytes = choice & 8 == 0 ? 1_048_576 : 40
        pieces = [[1], [2, 3, 5], [7, 64], [Int(choice >> 6) + 11]][Int(choice >> 4 & 3)]
    }
}

/// Everything a reader says of a body.
private struct FuzzReading: Equatable {
    var events: [AcceptedEvent] = []
    var rejections: [Rejection] = []
    var bytes: [[UInt8]] = []
    var order: [Bool] = []
    var failure: Rejection?
    var shape = RecordReader.Shape.single

    init(_ body: [UInt8], _ setup: FuzzSetup, pieces: [Int]) {
        let now = Timestamp(microsecondsSince1970: 1_794_000_000_000_000)
        var reader = RecordReader(
            framing: setup.framing,
            source: setup.source,
            receivedAt: now,
            window: AcceptanceWindow(now: now, retentionDays: 36_500),
            maximumRecordBytes: setup.maximumRecordBytes
        )
        do {
            var at = 0
            var turn = 0
            while at < body.count {
                let size = min(pieces[turn % pieces.count], body.count - at)
                try reader.feed(body.span.extracting(at..<(at + size))) { add($0) }
                at += size
                turn += 1
            }
            try reader.finish { add($0) }
        } catch {
            failure = error
        }
        shape = reader.shape
    }

    private mutating func add(_ outcome: RecordOutcome) {
        require(outcome.index == order.count, "an index is left out or comes twice")
        switch outcome.result {
        case .success(let event):
            order.append(true)
            events.append(event)
        case .failure(let rejection):
            order.append(false)
            rejections.append(rejection)
            bytes.append(outcome.bytes)
        }
    }
}

private let everyType = """
    schema: every
    id: /id
    core: { type: /event, occurred_at: /timestamp, actor: /user, machine: /machine }
    fields:
      serial: { from: /custom_data/serial, type: string, indexed: true, max_length: 64 }
      t: { from: /expires, type: timestamp, empty_as_null: true }
      u: { from: /u, type: uuid }
      ip: { from: /ip, type: ip }
      n: { from: /n, type: number, min: -5, max: 1e9 }
      i: { from: /i, type: integer, max: 100 }
      l: { from: /l, type: "string[]" }
      s: { from: /state, type: boolean, values: { admin: true, user: false } }
      e: { from: /e, type: enum, values: [a, b] }
      d: { from: /d, type: timestamp, unit: seconds }
    """

private func makeSources() -> [Source] {
    let schemas: [(String?, SenderProfile)] = [
        (nil, .generic), (everyType, .fluentBit), (everyType + "\nunknown: drop", .privilegesWebhook),
        (everyType.split(separator: "\n").filter { !$0.contains("occurred_at") }.joined(separator: "\n") + "\nunknown: reject", .generic),
    ]
    return schemas.map { yaml, profile in
        let schema = yaml.flatMap { try? SchemaDocument(yaml: $0) }
            .map { CompiledSchema($0, versionNumber: 1, version: "1-0-0", slots: ["serial": 1]) }
        require((yaml == nil) == (schema == nil), "the target's schemas are no schemas")
        return Source(id: SourceID(rawValue: 1), tenant: TenantID(rawValue: 1), slug: "fuzz", profile: profile, schema: schema)
    }
}

private let sources = makeSources()

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    guard let choice = input.first else { return 0 }
    let setup = FuzzSetup(choice, sources)
    let body = Array(input.dropFirst())
    let whole = FuzzReading(body, setup, pieces: [.max])
    require(whole == FuzzReading(body, setup, pieces: setup.pieces), "the pieces make a difference")

    var tape = JSONTape()
    for event in whole.events {
        for json in [event.fields, event.extra] {
            require((try? tape.scan(json)) != nil && tape.kind(of: 0) == .object, "an event holds what is no JSON object")
        }
        require(event.slots.isEmpty || event.slots.count == AcceptedEvent.slotCount, "slots")
    }
    require(whole.bytes.allSatisfy { $0.count <= setup.maximumRecordBytes }, "more bytes than a record has")
    // What is JSON as a whole is framed, and as many records as it has values.
    if setup.framing == .any, setup.maximumRecordBytes > body.count, (try? tape.scan(body)) != nil {
        require(whole.failure == nil, "JSON that cannot be framed")
        if tape.kind(of: 0) == .array {
            var values = 0
            var value = 1
            while value < tape.tokens[0].next {
                values += 1
                value = tape.tokens[value].next
            }
            require(whole.order.count == values && whole.shape == .batch, "an array's elements")
        } else {
            require(whole.order.count == 1 && whole.shape == .single, "one value")
        }
    }
    return 0
}
