import Testing

@testable import EventCore

@Suite struct RecordReaderTests {
    private static let one = #"{"time":"2026-11-06T17:00:00Z","n":1}"#
    private static let two = #"{"time":"2026-11-06T17:00:00Z","n":2}"#

    @Test(
        arguments: [
            one + "\n" + two, one + "\r\n" + two + "\r\n\r\n", "\n\n" + one + "\n \t\n" + two + "\n", "[\(one),\(two)]",
            " [ \(one) ,\n\(two) ] \n", one + two, one + " " + two, one + "\r\n" + two, pretty(one) + "\n" + pretty(two),
            pretty(one) + pretty(two),
        ]
    )
    func everyFramingGivesTheSameEvents(body: String) throws {
        let reading = try Reading(body)
        #expect(reading.outcomes == ["+", "+"])
        #expect(reading.events[0]?.id == (try Fixture.accept(Self.one, Fixture.source()).get().id))
        #expect(reading.events[1]?.id == (try Fixture.accept(Self.two, Fixture.source()).get().id))
        #expect(reading.shape == .batch)
    }

    private static func pretty(_ record: String) -> String {
        record.replacing("{", with: "{\n  ").replacing(",", with: ",\n  ").replacing("}", with: "\n}")
    }

    @Test(arguments: [one + "\n" + two, one + "\r\n" + two + "\r\n\r\n", "\n\n" + one + "\n \t\n" + two + "\n", one + "\n" + two + "\n"])
    func linesAreRecords(body: String) throws {
        let reading = try Reading(body, .lines)
        #expect(reading.outcomes == ["+", "+"])
        #expect(reading.shape == .batch)
    }

    @Test(
        arguments: [
            (one, .single), (" \n" + one + "\n", .single), ("[\(one)]", .batch), ("1", .single), ("\"x\"", .single), ("[]", .batch),
            (one + two, .batch), ("{\"a\":1,\"a\":1}", .single), ("{x", .single), ("[{x", .batch),
        ] as [(String, RecordReader.Shape)]
    )
    func tellsOneRecordFromABatch(body: String, shape: RecordReader.Shape) throws {
        #expect(try Reading(body).shape == shape)
        #expect(try Reading(body, .lines).shape == .batch)
    }

    @Test func aBadLineIsItsOwnRejection() throws {
        let body = [Self.one, #"{"a":"\u0000"}"#, "{not json", Self.two, "7", #"{"a":"#].joined(separator: "\n")
        for framing in [RecordReader.Framing.lines, .any] {
            let reading = try Reading(body, framing)
            #expect(reading.outcomes == ["+", "nul_character", "not_json", "+", "not_an_object", "not_json"])
            #expect(reading.bytes == [1: #"{"a":"\u0000"}"#, 2: "{not json", 4: "7", 5: #"{"a":"#])
            #expect(reading.rejections[2]?.detail == "unexpected character at byte 1")
        }
    }

    @Test(
        arguments: [
            (#"{"a":1,"# + "\n" + one + "\n", ["not_json", "+"]), (#"{"a":1"# + "\n\n" + one, ["not_json", "+"]),
            (#"{"a":"cut"# + "\n" + one, ["not_json", "+"]), (one + "\nnonsense\n" + two + "\n", ["+", "not_json", "+"]),
            (one + "\n" + #"{"a":"# + "\n", ["+", "not_json"]), (#"{"a":1,}"# + "\n", ["not_json"]), ("{x\n" + one, ["not_json", "+"]),
            (#"{"a":1,"a":2}"# + one, ["duplicate_key", "+"]), (#"{"a":"\x"}"# + one, ["not_json", "+"]),
            // Broken, and no line: nobody knows where the next record starts.
            (one + "nonsense\n" + two, ["+", "!not_json"]), (#"{"a":1,}"#, ["!not_json"]), ("<html>\n<p>\n</html>\n", ["!not_json"]),
            ("{\n  \"a\": 1,\n  oops\n}\n" + one, ["!not_json"]), (one + "\n{\n\"a\":", ["+", "!not_json"]),
            (one + ",\n" + two, ["+", "!not_json"]), ("hello", ["!not_json"]), ("NaN\n", ["!not_json"]), ("{]}\n", ["not_json"]),
        ] as [(String, [String])]
    )
    func goesOnAfterABrokenLineOnly(body: String, expected: [String]) throws {
        #expect(try Reading(body).outcomes == expected)
    }

    @Test(
        arguments: [
            ("[\(one)", ["+", "!not_json"]), ("[\(one),]", ["+", "!not_json"]), ("[,\(one)]", ["!not_json"]),
            ("[\(one)\(two)]", ["+", "!not_json"]),
            ("[\(one)]x", ["+", "!not_json"]), ("[\(one)]\(two)", ["+", "!not_json"]), ("[", ["!not_json"]),
            ("[\(one),,\(two)]", ["+", "!not_json"]),
            ("[\(one)}", ["+", "!not_json"]), ("[]]", ["!not_json"]), ("[{\"a\":}\n,\(one)]", ["!not_json"]), ("[]", []), ("[ \n]", []),
            // What is wrong with these does not hide where they end.
            ("[{\"a\":1,\"a\":2},\(one)]", ["duplicate_key", "+"]), ("[{\"a\":\"\\ud800\"},\(one)]", ["not_json", "+"]),
            (
                "[\(one),1,[2],null,\"x\",{\"a\":1e5000},\(two)]",
                ["+", "not_an_object", "not_an_object", "not_an_object", "not_an_object", "number_out_of_range", "+"]
            ),
            ("[{\"a\":" + String(repeating: "[", count: 100) + String(repeating: "]", count: 100) + "},\(one)]", ["too_deep", "+"]),
            (String(repeating: "[", count: 100_000), ["!too_deep"]),
        ] as [(String, [String])]
    )
    func anArrayIsStrictAboutItsCommas(body: String, expected: [String]) throws {
        #expect(try Reading(body).outcomes == expected)
    }

    @Test func aBadByteInOneRecordCostsNoOther() throws {
        for body in ["[%,\(Self.one)]", "%\(Self.one)", "%\n\(Self.one)"] {
            let parts = body.split(separator: "%", omittingEmptySubsequences: false).map { Array($0.utf8) }
            let reading = try Reading(parts[0] + [0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D] + parts[1])
            #expect(reading.outcomes == ["not_json", "+"])
            #expect(reading.rejections[0]?.detail == "not UTF-8 at byte 2")
        }
    }

    @Test(arguments: ["", " ", "\r\n\n", "\t"])
    func anEmptyBodyIsNoBatch(body: String) throws {
        for framing in [RecordReader.Framing.lines, .any] {
            #expect(try Reading(body, framing).failure == Rejection(.emptyBody, "the body is empty"))
        }
    }

    @Test(
        arguments: [
            [0xEF, 0xBB, 0xBF, 0x7B, 0x7D], [0xFF, 0xFE, 0x7B, 0x00, 0x7D, 0x00], [0xFE, 0xFF, 0x00, 0x7B],
            [0x7B, 0x00, 0x0A, 0x00, 0x7D, 0x00],
            [0x00, 0x7B, 0x00, 0x7D], [0x00, 0x00, 0x00],
        ] as [[UInt8]]
    )
    func refusesByteOrderMarksAndOtherEncodings(body: [UInt8]) throws {
        for framing in [RecordReader.Framing.lines, .any] {
            for pieces in [[100], [1]] {
                #expect(try Reading(body, framing, pieces: pieces).outcomes == ["!not_json"])
            }
        }
    }

    /// What a sender is told: 400 for what is malformed, 422 for the rest.
    @Test(
        arguments: [
            ("1", .notAnObject, false), ("", .emptyBody, false), (#"{"a":"\u0000"}"#, .nulCharacter, false),
            (#"{"a":1e200000}"#, .numberOutOfRange, false), (#"{"a":1e131071}"#, .numberOutOfRange, false),
            (String(repeating: "[", count: 100_000), .tooDeep, true), (#"{"a":1,"a":2}"#, .duplicateKey, true),
            (#"{"a":1,}"#, .notJSON, true),
            ("\u{FEFF}{}", .notJSON, true), (#"{"a":"\ud800"}"#, .notJSON, true), (#"{"a":NaN}"#, .notJSON, true),
            (#"{"a":1,}"# + "\n", .notJSON, true),
        ] as [(String, Rejection.Code, Bool)]
    )
    func tellsNotJSONFromNotAnEvent(body: String, code: Rejection.Code, isMalformed: Bool) throws {
        let reading = try Reading(body)
        let rejection = try #require(reading.failure ?? reading.rejections[0])
        #expect((rejection.code, rejection.isMalformed) == (code, isMalformed))
        #expect(reading.events.isEmpty)
    }

    @Test func offsetsOfABodyCountFromItsStart() throws {
        let failure = try Reading("  [\(Self.one) , x]").failure
        #expect(failure?.detail == "unexpected character at byte \(Self.one.utf8.count + 6)")
        #expect(failure?.isMalformed == true)
        #expect(try Reading("[\(Self.one)").failure?.detail == "the text ends too early, at byte \(Self.one.utf8.count + 1)")
    }

    @Test func aRecordOfExactlyTheMostBytesIsRead() throws {
        let most = Self.one.utf8.count
        let longer = Self.one.replacing("1}", with: "12}")
        let tail = String(repeating: " ", count: 40)
        for (body, framing) in [
            ("\(Self.one)\r\n\(longer)\r\n\(Self.two)\r\n", RecordReader.Framing.lines), ("\(Self.one)\n\(longer)\n\(Self.two)", .any),
            ("[\(Self.one),\(longer),\(Self.two)]" + tail, .any), (Self.one + longer + Self.two, .any),
        ] {
            for pieces in [[1], [7], [1_000]] {
                let reading = try Reading(Array(body.utf8), framing, pieces: pieces, most: most)
                #expect(reading.outcomes == ["+", "too_large", "+"])
                #expect(reading.bytes[1] == String(longer.prefix(most)))
            }
        }
    }

    @Test func aRecordFarTooLargeCostsNoOtherAndNoMemory() throws {
        let large = "{\"a\":[\"" + String(repeating: "{\\\"x", count: 50_000) + "\"],\"b\":[{}]}"
        for (body, framing) in [
            ("\(Self.one)\n\(large)\n\(Self.two)", RecordReader.Framing.lines), ("\(Self.one)\n\(large)\n\(Self.two)", .any),
            ("[\(Self.one),\(large),\(Self.two)]", .any), (Self.one + large + Self.two, .any),
            ("[\(Self.one),1" + String(repeating: "0", count: 100_000) + ",\(Self.two)]", .any),
        ] {
            for pieces in [[999], [1_000_000]] {
                let reading = try Reading(Array(body.utf8), framing, pieces: pieces, most: 1_000)
                #expect(reading.outcomes == ["+", "too_large", "+"])
                #expect(reading.bytes[1]?.utf8.count == 1_000)
            }
        }
        #expect(try Reading(Array(large.utf8), most: 1_000).shape == .single)
        #expect(try Reading(Array(large.utf8.dropLast()), most: 1_000).outcomes == ["too_large", "!not_json"])
    }

    @Test func keepsAtMostOneRecordInMemory() throws {
        var reader = try reader(most: 10_000)
        let junk = Array(("[{\"a\":\"" + String(repeating: "x", count: 4_000)).utf8)
        try reader.feed(junk) { _ in }
        for _ in 0..<1_000 {
            try reader.feed(Array(repeating: 0x78, count: 1_000)) { _ in }
            #expect(reader.bytesKept <= 10_000 + 1_000 + 16)
        }
    }

    @Test func tinyPiecesAreReadFast() throws {
        let string = Array(("{\"a\":\"" + String(repeating: "x", count: 1_000_000) + "\"}\n").utf8)
        for framing in [RecordReader.Framing.lines, .any] {
            var reader = try reader(framing)
            let elapsed = try ContinuousClock().measure {
                for byte in string { try reader.feed([byte]) { _ in } }
                try reader.finish { _ in }
            }
            #expect(elapsed < .seconds(30))
        }
    }

    @Test func aFailedReaderStaysFailed() throws {
        var reader = try reader()
        #expect(throws: Rejection.self) { try reader.feed(Array("[}             ".utf8)) { _ in } }
        #expect(throws: Rejection.self) { try reader.feed(Array("{}".utf8)) { _ in Issue.record("read on") } }
        #expect(throws: Rejection.self) { try reader.finish { _ in } }
        var stopped = try self.reader()
        let reason = Rejection(.idReused, "enough")
        #expect(throws: reason) { try stopped.feed(Array("{}{}".utf8)) { _ throws(Rejection) in throw reason } }
        #expect(throws: reason) { try stopped.finish { _ in } }
    }

    private func reader(_ framing: RecordReader.Framing = .any, most: Int = 2_000_000) throws -> RecordReader {
        RecordReader(
            framing: framing,
            source: try Fixture.source(),
            receivedAt: Fixture.now,
            window: Fixture.window,
            maximumRecordBytes: most
        )
    }
}
