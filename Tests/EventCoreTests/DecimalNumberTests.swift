import Testing

@testable import EventCore

@Suite struct DecimalNumberTests {
    /// Whole numbers around the places where digits are kept differently, in order.
    private static let ascending: [String] =
        ["0"]
        + [1, 2, 15, 16, 17, 31, 32, 33, 34, 40, 70].flatMap { length -> [String] in
            let zeros = String(repeating: "0", count: length - 1)
            let nines = String(repeating: "9", count: length)
            guard length > 1 else { return ["1", "2", "9"] }
            return ["1\(zeros)", "1\(zeros.dropLast())1", "12\(zeros.dropLast())", "8\(nines.dropLast())", "\(nines.dropLast())8", nines]
        }

    /// The same number in other words.
    private static func spellings(_ digits: String) -> [String] {
        let trailing = digits.reversed().prefix { $0 == "0" }.count
        let (first, rest) = (digits.prefix(1), digits.dropFirst())
        return [
            digits, "\(digits).0", "\(digits)e0", "\(digits)00E-2", "0.\(digits)e+\(digits.count)", "0.000\(digits)e\(digits.count + 3)",
            "\(first).\(rest)0e\(digits.count - 1)",
        ] + (digits != "0" && trailing > 0 ? ["\(digits.dropLast(trailing))e\(trailing)"] : [])
    }

    @Test func ordersNumbersOfAnyLengthHoweverTheyAreSpelled() throws {
        #expect(Self.ascending.count > 60)
        let values = try Self.ascending.map { try Self.spellings($0).map { try #require(DecimalNumber($0)) } }
        for (place, spelled) in values.enumerated() {
            let value = try #require(spelled.first)
            for other in spelled {
                #expect(other == value && !(other < value) && !(value < other), "\(Self.ascending[place])")
                #expect(other.plainText == Self.ascending[place] && other.isWhole)
            }
            for (otherPlace, other) in values.enumerated() {
                let other = try #require(other.last)
                #expect((value < other) == (place < otherPlace), "\(Self.ascending[place]) and \(Self.ascending[otherPlace])")
            }
        }
        for (less, more) in zip(Self.ascending.dropFirst(), Self.ascending.dropFirst(2)) {
            let negative = try [less, more].map { try #require(DecimalNumber("-\($0)")) }
            #expect(negative[1] < negative[0])
            let fractions = try [less, more].map { try #require(DecimalNumber("\($0)e-50")) }
            #expect(fractions[0] < fractions[1] && negative[0] < fractions[0])
        }
        #expect(DecimalNumber("-0") == DecimalNumber("0.00e7"))
    }

    @Test(arguments: ["", "-", "1x", "1e5x", "e5"]) func isNothingElse(text: String) {
        #expect(DecimalNumber(text) == nil)
    }
}
