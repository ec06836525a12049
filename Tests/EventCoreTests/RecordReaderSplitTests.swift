import Testing

@testable import EventCore

/// Where a body is cut into pieces makes no difference.
@Suite struct RecordReaderSplitTests {
    private static let record = #"{"time":"2026-11-06T17:00:00Z","é":["\u00e9\ud83d\ude00",-1.5e3,true,null,{}]}"#

    private static let bodies = [
        record, record + "\r\n" + record + "\n\n", "[\(record) ,\n \(record)]", record + record, "12 34 true \"x\" null", "[1,-2.5,true]\n",
        record + "\n{not json\n" + record + "\n7\n" + record, "{\"a\":1,\n" + record, "{\"a\":\"cut\n" + record, record + "\n{\n \"a\":",
        "[1,]", "[1",
        "[{\"a\":1,\"a\":2},{\"b\":\"\\ud800\"}]", "{\"a\":\"\\u00", "\"\\ud83d\\u0041\"", "[{\"a\":1}]x", "\u{FEFF}{}", " ", "", "[]",
        "{}}", "nul",
        "-", "1e", record + "\nnonsense", "<p>\n", "{\"a\":\"0123456789012345678901234567890123456789\"}{\"b\":1}", "{]\n{}",
        "{\"a\":\"\\x\",\"b\":\"cut\n{}\n",
        // Too large for the small limit by its blanks alone, just where the body ends.
        "2" + String(repeating: " ", count: 41), "2" + String(repeating: " ", count: 55), "{x" + String(repeating: "x", count: 54),
    ]

    private func check(_ body: [UInt8], pieces: [Int], most: Int) throws {
        for framing in [RecordReader.Framing.lines, .any] {
            let whole = try Reading(body, framing, most: most)
            let split = try Reading(body, framing, pieces: pieces, most: most)
            #expect(whole == split, "\(framing), \(pieces): \(String(decoding: body.prefix(200), as: UTF8.self))")
        }
    }

    @Test(arguments: [40, 1_048_576])
    func everyCutInTwoGivesTheSame(most: Int) throws {
        for body in Self.bodies.map({ Array($0.utf8) }) {
            for cut in 1..<max(body.count, 2) { try check(body, pieces: [cut, .max], most: most) }
        }
    }

    @Test(arguments: [40, 1_048_576])
    func smallPiecesGiveTheSame(most: Int) throws {
        for body in Self.bodies.map({ Array($0.utf8) }) {
            for pieces in [[1], [2], [3, 5, 7], [16], [1, 40]] { try check(body, pieces: pieces, most: most) }
        }
    }

    @Test func randomPiecesOfManyRecordsGiveTheSame() throws {
        var generator = SystemRandomNumberGenerator()
        let many = Array((0..<200).map { #"{"n":\#($0),"x":"\#(String(repeating: "y", count: $0))"}"# }.joined(separator: "\n").utf8)
        let array = [0x5B] + many.map { $0 == 0x0A ? 0x2C : $0 } + [0x5D]
        for _ in 0..<40 {
            let pieces = (0..<50).map { _ in Int.random(in: 1...2_000, using: &generator) }
            for body in [many, array] {
                try check(body, pieces: pieces, most: 1_048_576)
                try check(body, pieces: pieces, most: 100)
            }
        }
    }

    @Test func handsARecordOverAsSoonAsAPieceHoldsIt() throws {
        var reader = RecordReader(
            framing: .any,
            source: try Fixture.source(),
            receivedAt: Fixture.now,
            window: Fixture.window,
            maximumRecordBytes: 1_000
        )
        var seen: [Int] = []
        try reader.feed(Array((Self.record + Self.record + "{").utf8)) { seen.append($0.index) }
        #expect(seen == [0, 1])
    }
}
