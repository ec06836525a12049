import Glibc
import Testing

@testable import EventCore

/// Whatever the bytes are: an event or a rejection, soon, and never a trap.
@Suite struct HostileInputTests {
    /// SplitMix64: the same mutations in every run.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return value ^ (value >> 31)
        }
    }

    private static let everyType = """
        schema: every
        core: { type: /event, actor: /user, machine: /machine }
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

    private static let seeds = [
        Fixture.granted, Fixture.line,
        #"{"u":"16DF8241-7E86-5A4F-8C0F-C49FAA3E7B15","ip":"2001:DB8::1","n":-1.5e0,"i":42,"l":["a","\u00e9"],"state":"user","e":"b","d":1793979045.5}"#,
        #"{"a":{"b":[[[{"c":"\ud83d\ude00"}]]]},"\u0061b":1e-3,"timestamp":"2026-11-06T17:04:31.5+01:00","x":null,"custom_data":{"serial":"s","y":{}}}"#,
    ]

    private static let pieces = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\u0000", "\\ud800", "\\udc00", "0", "-", "e", "E+", ".", "9999999999", "1e999",
        "null", "true", "\u{0}", "é",
        "😀", " ", "\n", "{\"a\":1}", "[[[[[[[[", "}}}}", "\"serial\":", "-0", "1.", "T", "Z", "+99:99", "2026-02-30",
    ].map { Array($0.utf8) }

    private func mutate(_ seed: [UInt8], _ generator: inout Generator) -> [UInt8] {
        var bytes = seed
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let place = Int.random(in: 0...bytes.count, using: &generator)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &generator)
            case 1 where place < bytes.count: bytes.remove(at: place)
            case 2: bytes.removeLast(bytes.count - place)
            case 3 where place < bytes.count:
                let end = Int.random(in: place..<bytes.count, using: &generator)
                bytes.insert(contentsOf: Array(bytes[place...end]), at: place)
            default:
                bytes.insert(contentsOf: Self.pieces[Int.random(in: 0..<Self.pieces.count, using: &generator)], at: place)
            }
        }
        return bytes
    }

    @Test(arguments: ["keep", "drop", "reject", "none"])
    func everyMutationIsAnEventOrARejection(unknown: String) throws {
        var generator = Generator(state: 2_026)
        let source =
            try unknown == "none"
            ? Fixture.source() : Fixture.source(schema: Self.everyType + "\nunknown: \(unknown)", slots: ["serial": 1])
        var mapper = RecordMapper()
        var tape = JSONTape()
        var accepted = 0
        for round in 0..<20_000 {
            let record = mutate(Array(Self.seeds[round % Self.seeds.count].utf8), &generator)
            guard case .success(let event) = mapper.accept(record, from: source, receivedAt: Fixture.now, window: Fixture.window) else {
                continue
            }
            accepted += 1
            for json in [event.fields, event.extra] {
                try tape.scan(json)
                try #require(tape.tokens.first?.kind == .object)
            }
            #expect(event.slots.isEmpty || event.slots.count == 8)
        }
        // Else this would check nothing.
        #expect(accepted > 20)
    }

    /// Ten times as many take about ten times as long, not a hundred times.
    @Test func membersAreReadInLinearTime() throws {
        for source in [try Fixture.source(), try Fixture.webhook(), try Fixture.source(schema: Self.manyFields)] {
            let (few, many) = (Self.seconds(2_000, source), Self.seconds(20_000, source))
            #expect(many < 40 * few, "\(few) s, then \(many) s")
        }
    }

    /// Of this thread's own, whoever else is at work: the least of three.
    private static func seconds(_ members: Int, _ source: Source) -> Double {
        let record = Array(("{" + (0..<members).reversed().map { "\"\\u006bey\($0)\":\($0)" }.joined(separator: ",") + "}").utf8)
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        let times = (0..<3).map { _ in
            let start = now()
            _ = Fixture.accept(record, source)
            return now() - start
        }
        return times.min() ?? 0
    }

    private static let manyFields =
        "schema: many\nfields:\n" + (0..<256).map { "  f\($0): { from: /f\($0), type: string }" }.joined(separator: "\n")

    @Test func aLongNumberAndALongStringAreReadFast() throws {
        let digits = String(repeating: "9", count: 1_000_000)
        #expect(Fixture.rejection("{\"a\":\(digits)}", try Fixture.source())?.code == .numberOutOfRange)
        #expect(Fixture.rejection("{\"a\":1e\(digits)}", try Fixture.source())?.code == .numberOutOfRange)
        #expect(Fixture.rejection("{\"a\":\"\(digits)\"}", try Fixture.field("type: timestamp")) == nil)
        #expect(Fixture.rejection("{\"v\":\"\(digits)\"}", try Fixture.field("type: timestamp"))?.code == .timestampInvalid)
    }

    @Test func everyPrefixOfARecordIsRefused() throws {
        let source = try Fixture.webhook()
        let record = Array(Fixture.granted.utf8)
        for length in 0..<record.count {
            guard case .failure = Fixture.accept(Array(record.prefix(length)), source) else {
                Issue.record("accepted the first \(length) bytes")
                continue
            }
        }
    }

    @Test func everyMutatedBodyIsReadTheSameInPieces() throws {
        var generator = Generator(state: 7)
        let seeds = [
            Self.seeds.joined(separator: "\n"), "[" + Self.seeds.joined(separator: ",") + "]", Self.seeds.joined(),
            Self.seeds.joined(separator: "\r\n") + "\r\n",
        ]
        var accepted = 0
        for round in 0..<2_000 {
            let body = mutate(Array(seeds[round % seeds.count].utf8), &generator)
            let most = round % 3 == 0 ? 200 : 1_048_576
            for framing in [RecordReader.Framing.lines, .any] {
                let whole = try Reading(body, framing, most: most)
                accepted += whole.events.count
                let split = try Reading(body, framing, pieces: [1 + round % 90, 3], most: most)
                try #require(whole == split, "round \(round)")
            }
        }
        // A mutation in one record seldom costs another.
        #expect(accepted > 5_000)
    }
}
