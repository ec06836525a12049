// What a record takes from the heap while it is read, validated and made an event, for schemas of more and more fields.
import Glibc

@_silgen_name("allocation_count") func allocationCount() -> Int

/// One field of each kind of rule, over and over.
let kinds: [(rules: String, value: String)] = [
    ("type: string, required: true, max_length: 40", #""a text that is longer than fifteen bytes""#),
    (#"type: string, pattern: "[A-Z0-9]{8,12}""#, #""C02X8XXX0001""#),
    ("type: enum, values: [granted, revoked]", #""revoked""#),
    ("type: integer, min: 0, max: 100000", "4711"),
    ("type: number, min: 0", "3.25"),
    ("type: boolean", "true"),
    ("type: timestamp", #""2026-11-21T14:00:00Z""#),
    ("type: string, empty_as_null: true", #""Walldorf""#),
]

func measure(fields: Int, of kinds: [(rules: String, value: String)] = kinds) throws -> (all: Int, times: Double) {
    var yaml = "schema: s\nfields:\n"
    var record = #"{"timestamp":"2026-11-21T14:00:00Z""#
    for place in 0..<fields {
        let kind = kinds[place % kinds.count]
        yaml += "  f\(place): { from: /f\(place), \(kind.rules) }\n"
        record += #","f\#(place)":\#(kind.value)"#
    }
    let schema = CompiledSchema(try SchemaDocument(yaml: yaml), versionNumber: 1, version: "1-0-0", slots: [:])
    let source = Source(id: SourceID(rawValue: 1), tenant: TenantID(rawValue: 1), slug: "s", profile: .generic, schema: schema)
    let bytes = Array((record + "}").utf8)
    guard let now = Timestamp(rfc3339: "2026-11-21T15:00:00Z") else { fatalError("no time") }
    let window = AcceptanceWindow(now: now, retentionDays: 365)
    var mapper = RecordMapper()
    let rounds = 1_000
    var before = 0
    var began = timespec()
    for round in 0..<(rounds + 10) {
        // The first few grow the mapper's own memory.
        if round == 10 {
            before = allocationCount()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &began)
        }
        guard case .success = mapper.accept(bytes, from: source, receivedAt: now, window: window) else { fatalError("refused: \(record)") }
    }
    let taken = allocationCount() - before
    var ended = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended)
    let nanoseconds = Double(ended.tv_sec - began.tv_sec) * 1e9 + Double(ended.tv_nsec - began.tv_nsec)
    return (taken, nanoseconds / Double(rounds) / 1_000)
}

print("fields  allocations a record  µs a record")
for fields in [1, 8, 16, 32, 64] {
    let (all, microseconds) = try measure(fields: fields)
    print("\(fields)\t\(Double(all) / 1_000)\t\((microseconds * 100).rounded() / 100)")
}
print("for each further field of the kind")
for kind in kinds {
    let (few, some) = try measure(fields: 32, of: [kind])
    let (more, most) = try measure(fields: 64, of: [kind])
    print("\(Double(more - few) / 32_000)\t\(((most - some) / 32 * 1_000).rounded()) ns\t\(kind.rules)")
}
