import Testing

@testable import EventCore

@Suite struct JSONTapeTests {
    @Test func laysTokensFlatWithLinksPastThem() throws {
        var tape = JSONTape()
        let text = Array(#" { "a" : [1, {"b":null}], "c":true } "#.utf8)
        try tape.scan(text)
        #expect(tape.tokens.map(\.kind) == [.object, .string, .array, .number, .object, .string, .null, .string, .true])
        #expect(tape.tokens.map(\.next) == [9, 2, 7, 4, 7, 6, 7, 8, 9])
        #expect(String(decoding: text[tape.tokens[2].range], as: UTF8.self) == #"[1, {"b":null}]"#)
        var compact: [UInt8] = []
        tape.appendCompact(0, text.span, to: &compact)
        #expect(String(decoding: compact, as: UTF8.self) == #"{"a":[1,{"b":null}],"c":true}"#)
    }

    @Test func decodesEscapes() throws {
        var tape = JSONTape()
        let text = Array(#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é😀""#.utf8)
        try tape.scan(text)
        #expect(tape.string(0, text.span) == "a\"\\/\u{8}\u{c}\n\r\té😀é😀")
    }

    @Test(
        arguments: [
            ("", .empty, 0), (" \n", .empty, 2), ("{", .unexpectedEnd, 1), ("{\"a\":1,}", .unexpectedByte, 7), ("[1,]", .unexpectedByte, 3),
            ("[1", .unexpectedEnd, 2), ("{}x", .trailingBytes, 2), ("{} {}", .trailingBytes, 3), ("01", .invalidNumber, 0),
            ("-", .unexpectedEnd, 1),
            ("1.", .unexpectedEnd, 2), ("[1.]", .invalidNumber, 3), ("1e+", .unexpectedEnd, 3), ("+1", .unexpectedByte, 0),
            ("NaN", .unexpectedByte, 0),
            ("tru", .unexpectedEnd, 3), ("trux", .unexpectedByte, 3), ("\"a", .unexpectedEnd, 2), ("\"\t\"", .controlCharacter, 1),
            (#""\x""#, .invalidEscape, 1), (#""\u12g4""#, .invalidEscape, 1), (#""\u12"#, .invalidEscape, 1),
            (#""\ud800""#, .loneSurrogate, 1),
            (#""\ud800\u0041""#, .loneSurrogate, 1), (#""\udc00""#, .loneSurrogate, 1), ("\u{FEFF}{}", .byteOrderMark, 0),
            ("{'a':1}", .unexpectedByte, 1), ("{\"a\" 1}", .unexpectedByte, 5), ("[}", .unexpectedByte, 1), ("{]", .unexpectedByte, 1),
            ("[1}", .unexpectedByte, 2), (#""\u0000""#, .nulCharacter, 1), (#"{"\u0000":1}"#, .nulCharacter, 2),
            ("[1e1000]", .numberOutOfRange, 1),
        ] as [(String, JSONError.Code, Int)]
    )
    func refuses(text: String, code: JSONError.Code, offset: Int) {
        #expect(JSONTape.error(text) == JSONError(code, at: offset))
    }

    @Test(
        arguments: [
            [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],
            [0xF0, 0x80, 0x80, 0x80],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0x80], [0xC3], [0xE2, 0x82],
            [0xF0, 0x9F, 0x98],
            [0xE2, 0x28, 0xA1],
        ] as [[UInt8]]
    )
    func refusesWhatIsNotUTF8(sequence: [UInt8]) {
        #expect(JSONTape.error([0x22] + sequence + [0x22])?.code == .invalidUTF8)
        #expect(JSONTape.error([0x22] + sequence)?.code == .invalidUTF8)
    }

    @Test func takesEveryLengthOfUTF8AtItsLimits() {
        for scalar in ["\u{80}", "\u{7FF}", "\u{800}", "\u{D7FF}", "\u{E000}", "\u{FFFF}", "\u{10000}", "\u{10FFFF}"] {
            #expect(JSONTape.error("\"\(scalar)\"") == nil)
        }
    }

    @Test func malformedWinsOverUnstorable() {
        #expect(JSONTape.error(#"["\u0000", 1e9999, }"#)?.code == .unexpectedByte)
        #expect(JSONTape.error(#"[1e9999, "\u0000"]"#) == JSONError(.numberOutOfRange, at: 1))
    }

    @Test func takesSixtyFourLevelsAndNoMore() {
        let text = { (depth: Int) in String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
        #expect(JSONTape.error(text(64)) == nil)
        #expect(JSONTape.error(text(65)) == JSONError(.tooDeep, at: 64))
        #expect(JSONTape.error(String(repeating: "{\"a\":", count: 100_000))?.code == .tooDeep)
    }

    @Test(
        arguments: [
            ("1e999", true), ("1e1000", false), ("9.99e999", true), ("-1e999", true), ("1e-1000", false), ("1e-999", true),
            ("0.1e1000", true),
            ("0.001e1002", true), ("0.001e1003", false), ("0e5000", true), ("0e999999999", false), ("0.0e-999", false), ("1E400", true),
            ("1e131071", false), ("1e200000", false), ("1e99999999999999999999", false), ("1e-99999999999999999999", false),
        ]
    )
    func boundsWhatANumberExpandsTo(number: String, isStorable: Bool) {
        #expect(JSONTape.error(number)?.code == (isStorable ? nil : .numberOutOfRange))
    }

    @Test func boundsAPlainNumbersDigits() {
        #expect(JSONTape.error(String(repeating: "9", count: 1_000)) == nil)
        #expect(JSONTape.error(String(repeating: "9", count: 1_001))?.code == .numberOutOfRange)
        #expect(JSONTape.error("0." + String(repeating: "9", count: 999)) == nil)
        #expect(JSONTape.error("0." + String(repeating: "9", count: 1_000))?.code == .numberOutOfRange)
    }

    @Test(
        arguments: [
            #"{"a":1,"a":2}"#, #"{"a":1,"\u0061":2}"#, #"{"\u0061":1,"a":2}"#, #"{"\u0061":1,"\u0061":2}"#,
            #"[{"x":{"/":1,"b":1,"\/":2}}]"#,
            #"{"é":1,"\u00e9":2}"#, #"{"":1,"":2}"#, #"{"😀":1,"\ud83d\ude00":2}"#,
        ]
    )
    func refusesAKeyThatComesTwiceAsDecoded(text: String) {
        #expect(JSONTape.error(text)?.code == .duplicateKey)
    }

    @Test func findsADuplicateAmongManyKeys() {
        let members = (0..<40).map { "\"k\($0)\":{\"k\":[]}" }
        #expect(JSONTape.error("{" + members.joined(separator: ",") + "}") == nil)
        #expect(JSONTape.error("{" + (members + [#""\u006b0":1"#]).joined(separator: ",") + "}")?.code == .duplicateKey)
        #expect(JSONTape.error("{" + (members + [#""k39":1"#]).joined(separator: ",") + "}")?.code == .duplicateKey)
    }

    @Test func takesTheSameKeyInDifferentObjects() {
        #expect(JSONTape.error(#"{"a":{"a":[{"a":1},{"a":1}]},"A":1,"aa":2}"#) == nil)
    }

    @Test func readsAHundredThousandMembersFast() {
        let text = "{" + (0..<100_000).map { "\"key\($0)\":\($0)" }.joined(separator: ",") + "}"
        let bytes = Array(text.utf8)
        let elapsed = ContinuousClock().measure { #expect(JSONTape.error(bytes) == nil) }
        // Pair by pair it would be minutes, even in a debug build on a busy machine.
        #expect(elapsed < .seconds(10))
    }

    @Test func isReusable() throws {
        var tape = JSONTape()
        #expect(throws: JSONError.self) { try tape.scan(Array(#"{"a":[1e9999"#.utf8)) }
        #expect(throws: JSONError.self) { try tape.scan(Array(#"[1e9999]"#.utf8)) }
        try tape.scan(Array("[1]".utf8))
        #expect(tape.tokens.count == 2)
    }
}
