import Crypto
import EventCore
import Testing

@testable import Access

/// What a token must be to be taken; `ForgedTokenTests` has what it must not be.
@Suite struct TokenVerifierTests {
    @Test func takesEveryAlgorithm() async throws {
        let numbers = try RSANumbers()
        let keys = [
            try SigningKey.generateEd25519(issuer: "i", audience: "a"), try .p256(), try .rsa(.rs256, numbers), try .rsa(.ps256, numbers),
        ]
        #expect(keys.map(\.algorithm) == [.edDSA, .es256, .rs256, .ps256])
        for key in keys {
            let issuer = TestIssuer.make(key)
            #expect(await outcome(TestIssuers(issuer), try await issuer.token()) == "tenant 7", "\(key.algorithm)")
        }
    }

    @Test func takesASharedSecretWhenItIsRegisteredAsOne() async throws {
        let secret = IssuerSecret(keyID: "shared", bytes: Array("0123456789abcdef0123456789abcdef".utf8))
        let issuer = try TestIssuer.ed25519 {
            $0.keys = .secret(secret)
            $0.algorithms = [.hs256]
        }
        let signed = TestIssuer.signedPart(issuer.header(["alg": "\"HS256\"", "kid": "\"shared\""]), issuer.payload())
        let code = HMAC<SHA256>.authenticationCode(for: Array(signed.utf8), using: SymmetricKey(data: secret.bytes))
        #expect(await outcome(TestIssuers(issuer), "\(signed).\(Base64URL.encode(code))") == "tenant 7")
        #expect(await outcome(TestIssuers(issuer), "\(signed).\(Base64URL.encode(Array(code).reversed()))") == "unauthenticated")
        #expect("\(issuer.record)".contains("0123456789") == false, "a secret is never printed")
        var dumped = ""
        dump(issuer.record, to: &dumped)
        #expect(dumped.contains("48\n") == false, "nor dumped")
    }

    @Test func allowsClocksToDifferByHalfAMinute() async throws {
        let issuer = try TestIssuer.ed25519()
        let issuers = TestIssuers(issuer)
        let token = try await issuer.token(payload: issuer.payload(["nbf": "\(tokenNow)", "iat": "\(tokenNow)"]))
        #expect(await outcome(issuers, token, at: tokenNow - 30) == "tenant 7")
        #expect(await outcome(issuers, token, at: tokenNow - 31) == "unauthenticated")
        #expect(await outcome(issuers, token, at: tokenNow + 3_629) == "tenant 7")
        #expect(await outcome(issuers, token, at: tokenNow + 3_630) == "unauthenticated")
    }

    @Test func boundsATokensLife() async throws {
        let issuer = try TestIssuer.ed25519 { $0.maximumLifetime = 3_600 }
        let issuers = TestIssuers(issuer)
        for (iat, exp, expected) in [
            (tokenNow as Int64?, tokenNow + 3_600, "tenant 7"), (tokenNow, tokenNow + 3_601, "unauthenticated"),
            (tokenNow - 3_600, tokenNow + 3_600, "unauthenticated"), (nil, tokenNow + 3_600, "tenant 7"),
            (nil, tokenNow + 3_601, "unauthenticated"), (tokenNow + 20, tokenNow + 10, "unauthenticated"),
        ] {
            let payload = issuer.payload(["iat": iat.map { "\($0)" }, "exp": "\(exp)"])
            #expect(await outcome(issuers, try await issuer.token(payload: payload)) == expected, "\(payload)")
        }
    }

    @Test func readsScopesAndCapsThem() async throws {
        let issuer = try TestIssuer.ed25519 { $0.scopes = [.ingest, .query] }
        let issuers = TestIssuers(issuer)
        for (claim, scope, expected) in [
            (nil, Scope.ingest, "tenant 7"), (nil, .query, "missing query"), ("\"query\"", .query, "tenant 7"),
            ("\"query\"", .ingest, "missing ingest"), ("\"openid ingest  query\"", .query, "tenant 7"),
            ("\"admin\"", .admin, "missing admin"), ("\"\"", .ingest, "missing ingest"), ("[\"ingest\"]", .ingest, "unauthenticated"),
        ] as [(String?, Scope, String)] {
            let token = try await issuer.token(payload: issuer.payload(["scope": claim]))
            #expect(await outcome(issuers, token, for: scope) == expected, "\(claim ?? "-") for \(scope)")
        }
    }

    @Test func picksTheTenantByTheAudience() async throws {
        let key = try SigningKey.generateEd25519(issuer: "i", audience: "a")
        let acme = TestIssuer.make(key)
        let globex = TestIssuer.make(key, id: 2, tenant: 8, audience: "sluice-globex")
        let issuers = TestIssuers(acme, globex)
        #expect(await outcome(issuers, try await acme.token()) == "tenant 7")
        #expect(await outcome(issuers, try await globex.token()) == "tenant 8")
        let listed = try await acme.token(payload: acme.payload(["aud": "[\"other\",\"sluice-acme\"]"]))
        #expect(await outcome(issuers, listed) == "tenant 7")
        let both = try await acme.token(payload: acme.payload(["aud": "[\"sluice-globex\",\"sluice-acme\"]"]))
        #expect(await outcome(issuers, both) == "unauthenticated", "nobody's, when it may be two tenants'")
        let claimed = try await acme.token(payload: acme.payload(["tenant": "\"globex\"", "tenant_id": "8"]))
        #expect(await outcome(issuers, claimed) == "tenant 7", "a claim names no tenant")
    }

    @Test func holdsAnExpiredSenderOnlyOnceItsSignatureIsGood() async throws {
        let issuer = try TestIssuer.ed25519 {
            $0.onExpired = .hold
            $0.scopes = [.ingest, .query]
        }
        let issuers = TestIssuers(issuer)
        let expired = issuer.payload(["iat": "\(tokenNow - 7_200)", "exp": "\(tokenNow - 3_600)", "scope": "\"ingest query\""])
        let token = try await issuer.token(payload: expired)
        #expect(await outcome(issuers, token) == "held for 7")
        #expect(await outcome(issuers, token, for: .query) == "unauthenticated", "a reader has nothing to keep")
        let forger = try SigningKey.generateEd25519(issuer: "i", audience: "a")
        #expect(await outcome(issuers, try await issuer.token(payload: expired, signedBy: forger)) == "unauthenticated")
        let tooLong = issuer.payload(["iat": "\(tokenNow - 91 * 86_400)", "exp": "\(tokenNow - 3_600)"])
        #expect(await outcome(issuers, try await issuer.token(payload: tooLong)) == "unauthenticated", "nor what was never good")
    }

    @Test func cannotKnowWhileTheDatabaseIsAway() async throws {
        let issuer = try TestIssuer.ed25519()
        var issuers = TestIssuers(issuer)
        issuers.isDown = true
        #expect(await outcome(issuers, try await issuer.token()) == "unavailable")
        #expect(await outcome(issuers, "a.b.c") == "unauthenticated", "what is no token needs no look-up")
    }

    @Test func tellsASuspendedTenant() async throws {
        var issuer = try TestIssuer.ed25519()
        issuer.record.isSuspended = true
        #expect(await outcome(TestIssuers(issuer), try await issuer.token()) == "suspended")
    }

    private final class ChangingIssuers: IssuerLookup {
        let records: Locked<[IssuerRecord]>
        init(_ records: [IssuerRecord]) { self.records = Locked(records) }
        func findIssuers(_ issuer: String) async throws -> [IssuerRecord] { records.value }
        func knownIssuers(_ issuer: String) -> [IssuerRecord]? { records.value }
    }

    @Test func knowsAVerifiedTokenAsLongAsItsIssuerIsTheSame() async throws {
        let issuer = try TestIssuer.ed25519()
        let issuers = ChangingIssuers([issuer.record])
        let authenticator = Authenticator(keys: NoKeys(), tokens: TokenVerifier(issuers: issuers, remoteKeys: NoRemoteKeys()))
        let token = PresentedCredential(try await issuer.token(), in: .authorization)
        let now = Timestamp(microsecondsSince1970: tokenNow * 1_000_000)
        func fromMemory(_ scope: Scope = .ingest) -> String {
            do throws(AccessError) {
                return try authenticator.authenticateFromMemory(token, for: scope, now: now).map { "tenant \($0.tenant.rawValue)" }
                    ?? "unknown"
            } catch {
                return "\(error)".prefix { $0 != "(" }.description
            }
        }
        #expect(fromMemory() == "unknown", "it was not verified yet")
        _ = try await authenticator.authenticate(PresentedCredentials(headers: [token]), for: .ingest, now: now)
        #expect(fromMemory() == "tenant 7")
        #expect(fromMemory(.admin) == "missingScope")
        issuers.records.value[0].isSuspended = true
        #expect(fromMemory() == "suspended")
        issuers.records.value = [try TestIssuer.ed25519().record]
        #expect(fromMemory() == "unknown", "the same issuer has another key")
    }

    @Test func forgetsAVerifiedTokenWithItsIssuer() async throws {
        let issuer = try TestIssuer.ed25519()
        let issuers = ChangingIssuers([issuer.record])
        let verifier = TokenVerifier(issuers: issuers, remoteKeys: NoRemoteKeys())
        let token = try await issuer.token()
        #expect(await outcome(verifier, token) == "tenant 7")
        #expect(await outcome(verifier, token) == "tenant 7")
        issuers.records.value = []
        #expect(await outcome(verifier, token) == "unauthenticated")
        issuers.records.value = [try TestIssuer.ed25519().record]
        #expect(await outcome(verifier, token) == "unauthenticated", "the same issuer with another key")
        issuers.records.value = [issuer.record]
        issuers.records.value[0].isSuspended = true
        #expect(await outcome(verifier, token) == "suspended")
        issuers.records.value[0].isSuspended = false
        issuers.records.value[0].registration.scopes = [.query]
        #expect(await outcome(verifier, token) == "missing ingest")
        #expect(await outcome(verifier, token, at: tokenNow + 4_000) == "unauthenticated", "it expires in the cache too")
    }

    private final class RemoteKeys: KeySetLookup {
        let keys: Locked<[PublicKeyRecord]>
        init(_ keys: [PublicKeyRecord]) { self.keys = Locked(keys) }
        func keySet(at address: KeySetAddress, holding keyID: String) async throws -> IssuerKeySet { await IssuerKeySet(keys.value) }
    }

    @Test func takesPublishedKeysUntilTheyAreWithdrawn() async throws {
        let address = try #require(KeySetAddress("https://login.acme.example/jwks"))
        let issuer = try TestIssuer.ed25519 { $0.keys = .address(address) }
        let remote = RemoteKeys([issuer.key.record])
        let verifier = TokenVerifier(issuers: TestIssuers(issuer), remoteKeys: remote)
        let token = try await issuer.token()
        #expect(await outcome(verifier, token) == "tenant 7")
        let other = try PublicKeyRecord(
            id: issuer.key.record.id,
            material: SigningKey.generateEd25519(issuer: "i", audience: "a").record.material,
            algorithm: .edDSA
        )
        remote.keys.value = [other]
        #expect(await outcome(verifier, token) == "unauthenticated", "another key under the same kid")
        remote.keys.value = []
        #expect(await outcome(verifier, token) == "unauthenticated")
        #expect(await outcome(TestIssuers(issuer), token) == "unavailable", "not fetched: nobody can say")
    }

    @Test func remembersNoMoreTokensThanItMay() async throws {
        let issuer = try TestIssuer.ed25519()
        let claims = try #require(UnverifiedToken(try await issuer.token())).claims
        var tokens = VerifiedTokens(capacity: 100)
        let token = VerifiedToken(
            claims: claims,
            keyID: "k",
            keyFingerprint: SHA256.hash(data: []),
            registration: issuer.record.registration
        )
        for number in 0..<1_000 {
            tokens.insert(token, for: SHA256.hash(data: Array("\(number)".utf8)))
            #expect(tokens.count <= 100)
            #expect(tokens.find(SHA256.hash(data: Array("0".utf8)), now: tokenNow) != nil, "what is in use stays")
        }
        #expect(tokens.find(SHA256.hash(data: Array("1".utf8)), now: tokenNow) == nil)
        #expect(tokens.find(SHA256.hash(data: Array("999".utf8)), now: claims.expiresAt) == nil)
    }
}
