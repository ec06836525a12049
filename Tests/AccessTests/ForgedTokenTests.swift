import Crypto
import EventCore
import Testing

@testable import Access

/// RFC 8725, and what else a hostile sender tries: every one of these is refused in the same way.
@Suite struct ForgedTokenTests {
    private struct World {
        let rsa: TestIssuer
        let ed: TestIssuer
        let ec: TestIssuer
        let globex: TestIssuer
        let numbers: RSANumbers
        let issuers: TestIssuers

        init() throws {
            numbers = try RSANumbers()
            rsa = .make(try .rsa(.rs256, numbers), id: 1, issuer: "https://rsa.example")
            ed = .make(try .generateEd25519(issuer: "i", audience: "a"), id: 2, issuer: "https://ed.example")
            ec = .make(try .p256(), id: 3, issuer: "https://ec.example")
            globex = .make(
                try .generateEd25519(issuer: "i", audience: "a"),
                id: 4,
                tenant: 8,
                issuer: "https://globex.example",
                audience: "sluice-globex"
            )
            issuers = TestIssuers(rsa, ed, ec, globex)
        }
    }

    private func signature(_ token: String) -> [UInt8] {
        Base64URL.decode(token.split(separator: ".").last?.utf8 ?? "".utf8[...]) ?? []
    }

    private func withoutSignature(_ token: String) -> String {
        token.split(separator: ".").prefix(2).joined(separator: ".")
    }

    private func tokens(_ world: World) async throws -> [String: String] {
        var forged: [String: String] = [:]
        let (rsa, ed, ec) = (world.rsa, world.ed, world.ec)
        for name in ["none", "None", "NONE", "nOnE", "", "null", "EdDSA ", "eddsa"] {
            let signed = TestIssuer.signedPart(ed.header(["alg": "\"\(name)\""]), ed.payload())
            forged["alg \(name), no signature"] = signed + "."
            forged["alg \(name)"] = "\(signed).\(Base64URL.encode(signature(try await ed.token())))"
        }
        forged["no alg"] = try await ed.token(header: ed.header(["alg": nil]))
        let confused = TestIssuer.signedPart(rsa.header(["alg": "\"HS256\""]), rsa.payload())
        for (name, secret) in [
            ("PEM", Array(world.numbers.pem.utf8)), ("modulus", world.numbers.values[0]), ("JWK", Array(rsa.key.record.json.utf8)),
        ] {
            let code = HMAC<SHA256>.authenticationCode(for: Array(confused.utf8), using: SymmetricKey(data: secret))
            forged["HS256 over the RSA public key (\(name))"] = "\(confused).\(Base64URL.encode(code))"
        }
        forged["PS256 where RS256 is pinned"] = try await rsa.token(
            header: rsa.header(["alg": "\"PS256\""]),
            signedBy: .rsa(.ps256, world.numbers)
        )
        forged["EdDSA named ES256"] = try await ed.token(header: ed.header(["alg": "\"ES256\""]))

        forged["unknown kid"] = try await ed.token(header: ed.header(["kid": "\"other\""]))
        forged["no kid"] = try await ed.token(header: ed.header(["kid": nil]))
        forged["empty kid"] = try await ed.token(header: ed.header(["kid": "\"\""]))
        forged["kid of another issuer"] = try await ed.token(header: ed.header(["kid": JSONText.quoted(world.globex.key.record.id)]))
        forged["kid that is a number"] = try await ed.token(header: ed.header(["kid": "1"]))
        forged["unknown issuer"] = try await ed.token(payload: ed.payload(["iss": "\"https://nobody.example\""]))
        forged["another tenant's issuer"] = try await ed.token(payload: ed.payload(["iss": "\"https://globex.example\""]))
        forged["another tenant's issuer and audience"] = try await ed.token(payload: world.globex.payload())
        forged["another tenant's issuer, audience and kid"] = try await ed.token(
            header: world.globex.header(),
            payload: world.globex.payload()
        )
        forged["another tenant's token for our audience"] = try await world.globex.token(
            payload: world.globex.payload(["aud": "\"sluice-acme\""])
        )
        forged["somebody else's key"] = try await ed.token(signedBy: world.globex.key)
        forged["a key of its own in the header"] = try await ed.token(
            header: ed.header(["jwk": world.globex.key.record.json]),
            signedBy: world.globex.key
        )
        forged["a key's address in the header"] = try await ed.token(
            header: ed.header(["jku": "\"https://evil.example/jwks\"", "x5u": "\"https://evil.example/x\""]),
            signedBy: world.globex.key
        )

        for (name, claims) in badClaims { forged[name] = try await ed.token(payload: ed.payload(claims)) }
        for (name, header) in badHeaders(ed) { forged[name] = try await ed.token(header: header) }
        let good = try await ed.token()
        let doubled = ed.payload().dropLast() + ",\"exp\":\(tokenNow + 9_999)}"
        forged["exp twice"] = try await ed.token(payload: String(doubled))
        forged["exp twice, once escaped"] = try await ed.token(payload: ed.payload().dropLast() + #","\u0065xp":99999999999}"#)
        forged["iss twice"] = try await ed.token(payload: ed.payload().dropLast() + ",\"iss\":\"x\"}")

        forged["stripped signature"] = withoutSignature(good) + "."
        forged["two parts"] = withoutSignature(good)
        forged["a part too many"] = good + "."
        forged["JWE"] = good + "." + Base64URL.encode("x".utf8) + "." + Base64URL.encode("y".utf8)
        forged["shortened signature"] = "\(withoutSignature(good)).\(Base64URL.encode(signature(good).dropLast()))"
        forged["lengthened signature"] = "\(withoutSignature(good)).\(Base64URL.encode(signature(good) + [0]))"
        let curve = try await ec.token()
        let der = try P256.Signing.ECDSASignature(rawRepresentation: signature(curve)).derRepresentation
        forged["DER signature"] = "\(withoutSignature(curve)).\(Base64URL.encode(der))"
        forged["zero signature"] = "\(withoutSignature(curve)).\(Base64URL.encode([UInt8](repeating: 0, count: 64)))"
        forged["padded"] = good + "="
        forged["padded twice"] = good + "=="
        forged["padded header"] = good.replacing(".", with: "=.", maxReplacements: 1)
        forged["base64 instead of base64url"] = "\(withoutSignature(good)).+/\(good.split(separator: ".")[2].dropFirst(2))"
        forged["white space"] = " " + good
        forged["a line's end"] = good + "\n"
        forged["leftover bits"] = String(good.dropLast()) + "\(Self.sibling(of: good.last ?? "A"))"
        forged["too long"] = try await ed.token(payload: ed.payload(["x": "\"\(String(repeating: "a", count: 8_000))\""]))
        forged["nothing"] = ".."
        forged["no JSON"] = try await ed.token(payload: "not json")
        forged["an array"] = try await ed.token(payload: "[1]")
        forged["deep"] = try await ed.token(
            payload: ed.payload(["x": String(repeating: "[", count: 100) + String(repeating: "]", count: 100)])
        )
        forged["a NUL"] = try await ed.token(payload: ed.payload(["sub": #""a\u0000b""#]))
        return forged
    }

    private var badClaims: [(String, [String: String?])] {
        [
            ("expired", ["exp": "\(tokenNow - 31)"]), ("no exp", ["exp": nil]), ("exp a string", ["exp": "\"\(tokenNow + 60)\""]),
            ("exp 1e400", ["exp": "1e400"]), ("exp 1.8e9", ["exp": "1.9e9"]), ("exp negative", ["exp": "-1"]),
            ("exp null", ["exp": "null"]),
            ("exp huge", ["exp": String(repeating: "9", count: 300)]), ("exp beyond the calendar", ["exp": "999999999999"]),
            ("exp in milliseconds", ["exp": "\((tokenNow + 60) * 1_000)"]), ("exp an array", ["exp": "[\(tokenNow + 60)]"]),
            ("too long a life", ["exp": "\(tokenNow + 91 * 86_400)"]),
            ("too long without iat", ["iat": nil, "exp": "\(tokenNow + 91 * 86_400)"]),
            ("far nbf", ["nbf": "\(tokenNow + 31)"]), ("nbf a string", ["nbf": "\"0\""]), ("nbf 1e400", ["nbf": "1e400"]),
            ("iat in the future", ["iat": "\(tokenNow + 31)"]), ("iat true", ["iat": "true"]), ("no iss", ["iss": nil]),
            ("iss an array", ["iss": "[\"https://ed.example\"]"]), ("no aud", ["aud": nil]), ("aud empty", ["aud": "[]"]),
            ("aud of others", ["aud": "\"sluice-globex\""]), ("aud a number", ["aud": "1"]), ("aud mixed", ["aud": "[\"sluice-acme\",1]"]),
            ("aud like ours", ["aud": "\"sluice-acme \""]), ("sub a number", ["sub": "17"]), ("scope a number", ["scope": "1"]),
        ]
    }

    private func badHeaders(_ issuer: TestIssuer) -> [(String, String)] {
        [
            ("unknown crit", issuer.header(["crit": "[\"exp\"]"])), ("empty crit", issuer.header(["crit": "[]"])),
            ("b64", issuer.header(["b64": "false", "crit": "[\"b64\"]"])), ("zip", issuer.header(["zip": "\"DEF\""])),
            ("enc", issuer.header(["enc": "\"A128GCM\""])), ("another type", issuer.header(["typ": "\"dpop+jwt\""])),
            ("type a number", issuer.header(["typ": "1"])),
            ("alg twice", issuer.header().dropLast() + ",\"alg\":\"none\"}"), ("kid twice", issuer.header().dropLast() + ",\"kid\":\"x\"}"),
        ]
    }

    /// A character that differs in its lowest bit only, which an unpadded signature of 64 bytes does not use.
    private static func sibling(of character: Character) -> Character {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        return alphabet[(alphabet.firstIndex(of: character) ?? 0) ^ 1]
    }

    @Test func refusesEachForgedTokenAlike() async throws {
        let world = try World()
        for issuer in [world.rsa, world.ed, world.ec] {
            #expect(await outcome(world.issuers, try await issuer.token()) == "tenant 7", "the honest ones are taken")
        }
        #expect(await outcome(world.issuers, try await world.globex.token()) == "tenant 8")
        let forged = try await tokens(world)
        #expect(forged.count > 75)
        let verifier = TokenVerifier(issuers: world.issuers, remoteKeys: NoRemoteKeys())
        for (name, token) in forged { #expect(await outcome(verifier, token) == "unauthenticated", "\(name)") }
    }

    @Test func refusesAGoodTokenChangedAnywhere() async throws {
        let issuer = try TestIssuer.ed25519()
        let verifier = TokenVerifier(issuers: TestIssuers(issuer), remoteKeys: NoRemoteKeys())
        let good = Array(try await issuer.token().utf8)
        var generator = SystemRandomNumberGenerator()
        for place in good.indices {
            var changed = good
            repeat { changed[place] = UInt8.random(in: 0x21...0x7E, using: &generator) } while changed[place] == good[place]
            let text = String(decoding: changed, as: UTF8.self)
            #expect(await outcome(verifier, text) == "unauthenticated", "\(place)")
            #expect(await outcome(verifier, String(decoding: good[..<place], as: UTF8.self)) == "unauthenticated", "cut at \(place)")
        }
    }

    @Test func survivesWhateverItIsGiven() async throws {
        let issuer = try TestIssuer.ed25519()
        let verifier = TokenVerifier(issuers: TestIssuers(issuer), remoteKeys: NoRemoteKeys())
        var generator = SystemRandomNumberGenerator()
        let pieces = [
            "{", "}", "[", "]", ",", ":", "\"alg\"", "\"kid\"", "\"EdDSA\"", "\"exp\"", "\"aud\"", "1e999999999999", "-0", "\u{FFFD}",
            "\\u",
            "\"", "null", "\u{0}", "99999999999999999999", "\"\\ud800\"", " ",
        ]
        for _ in 0..<3_000 {
            let parts = (0..<3).map { _ in
                let text = (0..<Int.random(in: 0...12, using: &generator)).compactMap { _ in pieces.randomElement(using: &generator) }
                    .joined()
                return Bool.random(using: &generator) ? Base64URL.encode(text.utf8) : text
            }
            #expect(await outcome(verifier, parts.joined(separator: ".")) == "unauthenticated")
            let payload = (0..<20).compactMap { _ in pieces.randomElement(using: &generator) }.joined()
            #expect(await outcome(verifier, try await issuer.token(payload: payload)) == "unauthenticated")
        }
    }

    @Test func refusesASecretThatIsTooShort() async throws {
        let secret = IssuerSecret(keyID: "shared", bytes: Array(repeating: 1, count: 31))
        let issuer = try TestIssuer.ed25519 {
            $0.keys = .secret(secret)
            $0.algorithms = [.hs256]
        }
        let signed = TestIssuer.signedPart(issuer.header(["alg": "\"HS256\"", "kid": "\"shared\""]), issuer.payload())
        let code = HMAC<SHA256>.authenticationCode(for: Array(signed.utf8), using: SymmetricKey(data: secret.bytes))
        #expect(await outcome(TestIssuers(issuer), "\(signed).\(Base64URL.encode(code))") == "unauthenticated")
    }
}
