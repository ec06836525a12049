import EventCore
import Testing

@testable import Access

/// Keys as operators register them and issuers publish them.
@Suite struct IssuerKeyTests {
    private let point = Base64URL.encode([UInt8](repeating: 7, count: 32))

    private func registration(_ json: String) -> String {
        do throws(IssuerKeyError) {
            return try PublicKeyRecord.readRegistration(Array(json.utf8)).map(\.id).joined(separator: " ")
        } catch {
            return error.description
        }
    }

    @Test func readsASetAndASingleKey() {
        let key = #"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"\#(point)","use":"sig","key_ops":["verify"],"alg":"EdDSA"}"#
        #expect(registration("{\"keys\":[\(key)]}") == "a")
        #expect(registration(key) == "a")
    }

    @Test func tellsWhatIsWrongWithAKey() {
        let cases = [
            (#""kid":"a","d":"\#(point)""#, "private"), (#""x5t":"x""#, "kid"), (#""kid":"a","use":"enc""#, "not for signatures"),
            (#""kid":"a","key_ops":["sign"]"#, "not for signatures"), (#""kid":"a","alg":"ES256""#, "does not go with"),
            (#""kid":"a","alg":"HS256""#, "other than"), (#""kid":"a","alg":"none""#, "other than"), (#""kid":"a b""#, "ASCII"),
            (#""kid":"a","kid":"a""#, "no JWK set"),
        ]
        for (members, word) in cases {
            let told = registration(#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"\#(point)",\#(members)}]}"#)
            #expect(told.contains(word), "\(members): \(told)")
            #expect(!told.contains(point), "never the key itself")
        }
        #expect(registration(#"{"kty":"oct","kid":"a","k":"\#(point)"}"#).contains("secret"))
        #expect(registration(#"{"kty":"OKP","crv":"X25519","kid":"a","x":"\#(point)"}"#).contains("none of"))
        #expect(registration(#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"\#(point)="}"#).contains("no right x"))
        #expect(registration(#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"AAAA"}"#).contains("no right x"))
        #expect(registration(#"{"keys":[]}"#).contains("1 to 64"))
        #expect(registration("[]").contains("no JWK set"))
        let key = #"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"\#(point)"}"#
        #expect(registration("{\"keys\":[\(key),\(key)]}").contains("the same kid"))
    }

    @Test func refusesASmallRSAKey() throws {
        let numbers = try RSANumbers(bits: 1024)
        let json = #"{"kty":"RSA","kid":"a","n":"\#(Base64URL.encode(numbers.values[0]))","e":"AQAB"}"#
        #expect(registration(json).contains("no right n"))
    }

    @Test func leavesOutWhatItCannotUseOfAPublishedSet() throws {
        let good = #"{"kty":"OKP","crv":"Ed25519","kid":"good","x":"\#(point)"}"#
        let twin = #"{"kty":"OKP","crv":"Ed25519","kid":"twin","x":"\#(point)"}"#
        let set = #"{"keys":[{"kty":"RSA","use":"enc","kid":"e"},\#(twin),\#(good),{"kty":"oct","kid":"s","k":"AAAA"},\#(twin)]}"#
        #expect(PublicKeyRecord.readPublished(Array(set.utf8))?.map(\.id) == ["good"])
        #expect(PublicKeyRecord.readPublished(Array("{}".utf8)) == nil)
        #expect(PublicKeyRecord.readPublished([UInt8](repeating: 0x20, count: 70_000) + Array(set.utf8)) == nil)
    }

    @Test func keepsASigningKeyInAFileWhole() async throws {
        let key = try SigningKey.generateEd25519(issuer: "https://a.example", audience: "aud")
        let read = try SigningKey(reading: Array(key.fileText.utf8), keyID: nil)
        #expect(read.record == key.record && read.issuer == "https://a.example" && read.audience == "aud" && read.algorithm == .edDSA)
        #expect(read.record.id == key.record.thumbprint && key.record.id.count == 43)
        let issuer = TestIssuer.make(key, issuer: "https://a.example", audience: "aud")
        let claims = SigningKey.Claims(
            issuer: "https://a.example",
            audience: "aud",
            subject: "mac \"17\"\n",
            scopes: [.ingest],
            issuedAt: tokenNow,
            expiresAt: tokenNow + 60
        )
        #expect(await outcome(TestIssuers(issuer), try await read.sign(claims)) == "tenant 7")
        #expect(!"\(key)".contains(key.fileText.split(separator: "\"d\":\"")[1].prefix(20)))
        let publicOnly = key.record.json
        #expect(throws: IssuerKeyError.self) { try SigningKey(reading: Array(publicOnly.utf8), keyID: nil) }
    }

    @Test func readsBase64URLInOneSpellingOnly() {
        var generator = SystemRandomNumberGenerator()
        for count in 0..<100 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            #expect(Base64URL.decode(Base64URL.encode(bytes).utf8) == bytes)
        }
        for text in ["A", "AB", "AAB", "AA=", "AA==", "AA\n", "A A", "+/AA", "AAAAA", "ä"] {
            #expect(Base64URL.decode(text.utf8) == nil, "\(text)")
        }
        #expect(Base64URL.decode("".utf8) == [] && Base64URL.decode("-_8".utf8) == [0xFB, 0xFF])
    }

    @Test func takesAddressesOfKeySetsThatCanBeReadInOneWay() {
        let good = ["https://login.example.com/jwks", "https://a-b.example:8443/x?y=z", "https://localhost/", "https://idp.example"]
        for text in good { #expect(KeySetAddress(text)?.text == text) }
        #expect(KeySetAddress("https://idp.example:8443")?.port == 8443 && KeySetAddress("https://idp.example/")?.host == "idp.example")
        for text in [
            "http://idp.example/", "https://127.0.0.1/", "https://2130706433/", "https://[::1]/", "https://user@idp.example/",
            "https://idp.example@evil.example/", "https://idp.example#@evil/", "https://idp.example\\@evil/", "https://Idp.Example/",
            "https://idp.example:0/", "https://idp.example:99999/", "https://idp.example:/", "https:///x", "https://idp..example/",
            "https://-a.example/", "https://idp.example/a b", "https://idp.example/ä", "https://idp%2eexample/", "https://127.1/", "",
        ] { #expect(KeySetAddress(text) == nil, "\(text)") }
    }
}
