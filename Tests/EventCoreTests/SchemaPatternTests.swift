import Testing

@testable import EventCore

@Suite struct SchemaPatternTests {
    private func matches(_ pattern: String, _ value: String) throws -> Bool {
        try SchemaPattern(pattern).matches(value)
    }

    @Test(
        arguments: [
            ("abc", ["abc"], ["", "ab", "abcd", "xabc"]), ("", [""], ["a"]), ("^abc$", ["abc"], ["ab"]),
            ("a|bc|", ["a", "bc", ""], ["ab", "c"]),
            ("^(a|b)$", ["a", "b"], ["ab"]), ("a*", ["", "a", "aaaa"], ["b", "aab"]), ("a+b?", ["a", "aab"], ["", "b", "abb"]),
            ("a{3}", ["aaa"], ["aa", "aaaa"]), ("a{2,}", ["aa", "aaaaa"], ["a"]),
            ("(ab){1,3}", ["ab", "ababab"], ["", "aba", "abababab"]),
            ("a{0,2}b", ["b", "ab", "aab"], ["aaab"]), ("(a|b{2}){2}", ["aa", "abb", "bba", "bbbb"], ["ab", "b", "aaa"]),
            ("[A-Z0-9]{8,12}", ["C02X8XXXA1B2"], ["C02X", "c02x8xxxa1b2"]), ("[^,;]+", ["a b", "é"], ["", "a,b"]),
            ("[-a]", ["-", "a"], ["b"]),
            ("[a-]", ["-", "a"], ["b"]), ("[\\d.]+", ["1.2"], ["a"]), ("[\\]\\\\]+", ["]\\"], ["a"]),
            ("\\d{3}-\\w+", ["123-a_Z9"], ["12-a", "123-é"]),
            ("\\S+\\s\\S+", ["a b"], ["ab", "a  b"]), ("\\D\\W", ["a-", "é é".filter { $0 != "é" } + "é"], ["1-", "aa"]),
            (".", ["a", "é", "😀"], ["", "\n", "ab"]),
            ("é+", ["é", "éé"], ["e"]), ("[α-ω]{2}", ["λμ"], ["ab"]), ("[^a]", ["😀", "é"], ["a"]),
            ("\\.\\*\\(\\)\\[\\]\\{\\}\\|\\^\\$\\/", [".*()[]{}|^$/"], [""]),
            ("(?:a(?:b|c))+", ["abac"], ["a"]), ("a\\$", ["a$"], ["a"]), ("(|a)b", ["b", "ab"], ["aab"]), ("((a*)*)*", ["", "aaa"], ["b"]),
            ("\\t\\n\\r", ["\t\n\r"], ["tnr"]),
        ]
    )
    func matchesWholeValues(pattern: String, fits: [String], doesNot: [String]) throws {
        for value in fits { #expect(try matches(pattern, value), "\(pattern) takes \(value)") }
        for value in doesNot { #expect(try !matches(pattern, value), "\(pattern) refuses \(value)") }
    }

    /// Each takes a backtracking engine time that doubles with a character, or grows with a high power of the length.
    @Test(
        arguments: [
            ("(a+)+$", "a", "!"), ("(a|aa)*", "a", "!"), ("(a|a)*", "a", "b"), ("(a*)*b", "a", "c"), ("x*x*x*x*x*x*x*x*x*x*y", "x", "!"),
            ("(.*)(.*)(.*)(.*)(.*)[,]", "z", "!"), ("([a-zA-Z]+)*", "a", "1"), ("(a?){50}a{50}", "a", "!"),
            ("((a{1,5}){1,5}){1,5}b", "a", "c"),
            ("(\\w+\\s?)*", "aaaa ", "!"), ("^(([a-z])+.)+[A-Z]([a-z])+$", "a", "1"), ("(é|é+)+", "é", "e"),
        ]
    )
    func killersTakeLinearSteps(pattern: String, piece: String, last: String) throws {
        let pattern = try SchemaPattern(pattern).matcher
        var counts: [Int] = []
        for length in [500, 1_000, 2_000] {
            let value = Array((String(repeating: piece, count: length / piece.utf8.count) + last).utf8)
            var steps = SchemaPattern.Steps(most: .max)
            #expect(!pattern.matches(value.span, &steps))
            #expect(Int.max - steps.left <= value.count * (SchemaPattern.mostStates + 1))
            counts.append(Int.max - steps.left)
        }
        #expect(counts[2] <= counts[1] * 2 + 1_000 && counts[1] <= counts[0] * 2 + 1_000, "\(counts)")
    }

    @Test(
        arguments: [
            ("(?=a)", 1, "lookaround"), ("a(?!b)", 2, "lookaround"), ("(?<n>a)", 1, "lookaround"), ("(?i)a", 1, "flags"),
            ("(a)\\1", 4, "linear time"),
            ("\\bword", 1, "whole values"), ("\\p{L}", 1, "Unicode properties"), ("\\q", 1, "no escape"), ("a*?", 3, "lazy"),
            ("a++", 3, "possessive"),
            ("a{2}{3}", 5, "after a repetition"), ("*a", 1, "nothing before"), ("a|+", 3, "nothing before"),
            ("a{,3}", 2, "a repetition is"),
            ("a{x}", 2, "a repetition is"), ("a{2,1}", 2, "below its first"), ("a{256}", 2, "at most 255"), ("a{0}", 4, "nothing to match"),
            ("(a", 1, "never closed"), ("a)", 2, "closes nothing"), ("[a", 1, "never closed"), ("[]", 1, "at least one"),
            ("[b-a]", 3, "range"),
            ("[\\d-z]", 4, "range"), ("[[:alpha:]]", 2, "within a class"), ("[\\D]", 2, "outside of classes"), ("a]", 2, "closes nothing"),
            ("a}", 2, "closes nothing"), ("a^b", 2, "very end"), ("a$b", 2, "very end"), ("^a|b$", 1, "one alternative"),
            ("a\\", 2, "backslash"),
            ("(a{200}){2}", 3, "more than 256"), ("((((a{9}){9}){9}){9}){9}", 8, "more than 256"),
        ]
    )
    func refusesWhatItCannotMatchInLinearTime(pattern: String, place: Int, says: String) {
        do {
            _ = try SchemaPattern(pattern)
            Issue.record("accepted")
        } catch {
            #expect(error.message.contains(says), "\(error)")
            if !says.hasPrefix("more than") { #expect(error.place == place, "\(error)") }
        }
    }

    @Test func boundsWhatAPatternCosts() throws {
        #expect(throws: Never.self) { try SchemaPattern(String(repeating: "a", count: 256)) }
        #expect(throws: SchemaPatternError.self) { try SchemaPattern(String(repeating: "a", count: 257)) }
        #expect(throws: SchemaPatternError.self) { try SchemaPattern(String(repeating: "(", count: 1_000)) }
        #expect(throws: SchemaPatternError.self) { try SchemaPattern(String(repeating: "()", count: 1_000)) }
        #expect(throws: SchemaPatternError.self) { try SchemaPattern("(((){255}){255}){255}") }
        #expect(try !SchemaPattern("a*").matches(String(repeating: "a", count: SchemaPattern.longestValue + 1)))
    }

    /// A document full of long classes, each repeated as often as may be, would take seconds to make ready.
    @Test func readsAClassOnceHoweverOftenItIsRepeated() throws {
        var parser = SchemaPatternParser("([acegikmoqsuwy]x?){80}")
        let positions = try parser.parse()
        #expect(positions.follow.count == 160)
        #expect(positions.named.count == 2)
        #expect(try matches("(a|[bc]){3}\\d{2}", "abc12"))
        #expect(try !matches("(a|[bc]){3}\\d{2}", "abd12"))
    }

    @Test func aRecordsValueIsOfTheFieldsPattern() throws {
        let source = try Fixture.field(#"type: string, pattern: "[A-Z]{2}\\d+""#)
        #expect(throws: Never.self) { try Fixture.accept(#"{"v":"AB12"}"#, source).get() }
        #expect(throws: Never.self) { try Fixture.accept(#"{"v":"\u0041B1"}"#, source).get() }
        #expect(Fixture.rejection(#"{"v":"AB"}"#, source)?.code == .patternMismatch)
        let long = #"{"v":"\#(String(repeating: "A", count: SchemaPattern.longestValue + 1))"}"#
        #expect(Fixture.rejection(long, source)?.code == .tooLong)
        let list = try Fixture.field(#"type: "string[]", pattern: "a+""#)
        #expect(Fixture.rejection(#"{"v":["a","b"]}"#, list)?.pointer == "/v/1")
    }

    /// Many fields may read one value, each with a pattern that keeps all its states possible.
    @Test func aRecordsPatternsHaveABoundTogether() throws {
        let heavy = (0..<8).map { "  f\($0): {from: /v, type: \"string[]\", pattern: '(.?){255}'}\n" }.joined()
        let source = try Fixture.source(schema: "schema: x\nfields:\n\(heavy)")
        let item = "\"" + String(repeating: "é", count: 100) + "\","
        for items in [1, 4_000] {
            let record = "{\"v\":[" + String(repeating: item, count: items).dropLast() + "]}"
            #expect(Fixture.rejection(record, source)?.code == .tooCostly)
        }
    }

    /// Where no field shares its value, all the states of all patterns fit in, up to the bound of one record.
    @Test func aFieldForEachValueIsNeverTooCostly() throws {
        let fields = (0..<8).map { "  f\($0): {from: /v\($0), type: string, pattern: '(.?){255}'}\n" }.joined()
        let source = try Fixture.source(schema: "schema: x\nfields:\n\(fields)")
        let text = String(repeating: "a", count: 250)
        let record = "{" + (0..<8).map { "\"v\($0)\":\"\(text)\"" }.joined(separator: ",") + "}"
        #expect(Fixture.rejection(record, source) == nil)
    }

    @Test func rangesMayOverlap() throws {
        for value in ["a", "é", "m", "z", "0"] { #expect(try matches("[a-mé0-9m-zb-yé-ê]", value), "\(value)") }
        for value in ["A", "ë", "è", "~"] { #expect(try matches("[^a-mé0-9m-zb-yé-ê]", value), "\(value)") }
        #expect(try !matches("[^a-mé0-9m-zb-yé-ê]", "é") && !matches("[a-mé0-9m-zb-yé-ê]", "ë"))
        #expect(try matches("[\u{0}-\u{10FFFF}]", "😀") && !matches("[^\u{1}-\u{10FFFF}]", "😀"))
    }
}
