import Testing

@testable import Access

@Suite struct APIKeyTests {
    @Test(arguments: KeyKind.allCases)
    func readsBackWhatItGenerated(kind: KeyKind) throws {
        let key = APIKey.generate(kind)
        let read = try #require(APIKey(key.text))
        #expect(read.kind == kind)
        #expect(read.id == key.id)
        #expect(read.digest == key.digest)
        #expect(key.text.utf8.count == "slc_\(kind.rawValue)_".utf8.count + 46)
    }

    @Test func refusesEveryKeyWithOneCharacterChanged() {
        let text = Array(APIKey.generate(.ingest).text)
        for index in text.indices {
            var changed = text
            changed[index] = changed[index] == "a" ? "b" : "a"
            #expect(APIKey(String(changed)) == nil, "changed at \(index)")
        }
    }

    @Test(arguments: [
        "", "slc_ing_", "slc_xyz_" + String(repeating: "A", count: 46), "nope", "slc_ing_" + String(repeating: "A", count: 46),
    ])
    func refusesWhatIsNoKey(text: String) {
        #expect(APIKey(text) == nil)
    }

    @Test func refusesKeysThatGoOn() {
        let text = APIKey.generate(.query).text
        #expect(APIKey(text + "A") == nil)
        #expect(APIKey(text.dropLast()) == nil)
        #expect(APIKey(text + String(repeating: "A", count: 9000)) == nil)
    }

    @Test func neverPrintsItsSecret() {
        let key = APIKey.generate(.admin)
        let secret = key.text.dropFirst(18).prefix(30)
        #expect(!"\(key)".contains(secret))
        #expect(!String(reflecting: key.description).contains(secret))
    }

    @Test func countsTheChecksumAsZlibDoes() {
        #expect(CRC32.checksum("123456789".utf8) == 0xCBF4_3926)
        #expect(Base62.sixDigits(0) == Array("000000".utf8))
        #expect(Base62.sixDigits(.max) == Array("4gfFC3".utf8))
    }
}
