import Crypto
import CryptoExtras
import EventCore
import EventStore
import Foundation
import TestSupport
import Testing

@testable import Access

/// Tokens over real HTTP.
@Suite(.fewAtOnce) struct TokenTests {
    /// acme with an Ed25519 issuer, globex with another, a server before them.
    private struct World {
        let scene: Scene
        let key: SigningKey
        let globexKey: SigningKey
        let issuer: IssuerSummary

        static let iss = "https://login.acme.example"
        static let aud = "sluice-acme"

        static func make(change: (inout NewIssuer) -> Void = { _ in }) async throws -> World {
            let scene = try await Scene.make(environment: ["TRUSTED_PROXIES": "127.0.0.1"])
            let key = try SigningKey.generateEd25519(issuer: iss, audience: aud)
            let globexKey = try SigningKey.generateEd25519(issuer: "https://globex.example", audience: "sluice-globex")
            _ = try await scene.administration.createTenant(slug: "globex", name: "Globex", retentionDays: 90)
            var new = NewIssuer(issuer: iss, audience: aud, keys: .set([key.record]), scopes: [.ingest, .hook, .query])
            change(&new)
            let issuer = try await scene.administration.addIssuer(tenant: "acme", new)
            let other = NewIssuer(issuer: "https://globex.example", audience: "sluice-globex", keys: .set([globexKey.record]))
            _ = try await scene.administration.addIssuer(tenant: "globex", other)
            return World(scene: scene, key: key, globexKey: globexKey, issuer: issuer)
        }

        func claims(scopes: Set<Scope> = [.ingest], from: Int64 = -60, to: Int64 = 3_600) -> SigningKey.Claims {
            let now = Int64(Date().timeIntervalSince1970)
            return SigningKey.Claims(
                issuer: Self.iss,
                audience: Self.aud,
                subject: "mac-17",
                scopes: scopes,
                issuedAt: now + from,
                expiresAt: now + to
            )
        }

        /// A token with any header and payload.
        func token(_ header: [String: String] = [:], _ payload: [String: String] = [:], by signer: SigningKey? = nil) async throws -> String
        {
            let now = Int64(Date().timeIntervalSince1970)
            let fields = ["alg": "\"EdDSA\"", "kid": JSONText.quoted(key.record.id)].merging(header) { $1 }
            let claims = ["iss": JSONText.quoted(Self.iss), "aud": JSONText.quoted(Self.aud), "exp": "\(now + 600)"].merging(payload) { $1 }
            let json = [fields, claims].map { JSONText.object($0.sorted { $0.key < $1.key }.map { (name: $0.key, json: $0.value) }) }
            let signed = json.map { Base64URL.encode($0.utf8) }.joined(separator: ".")
            return "\(signed).\(Base64URL.encode(try await (signer ?? key).signature(over: Array(signed.utf8))))"
        }

        /// Its header and payload only.
        func unsigned(_ header: [String: String], _ payload: [String: String]) async throws -> String {
            try await token(header, payload).split(separator: ".").prefix(2).joined(separator: ".")
        }

        func post(_ token: String, headers: [String: String] = [:]) async throws -> RunningServer.Reply {
            try await scene.server.post("/v1/events", Webhook.body(), key: token, headers: headers)
        }

        /// Waits for the issuer to be known. From elsewhere: its failures are not those of the address that the test sends from, which may
        /// have thirty a minute.
        func isTaken(_ token: String) async throws -> Bool {
            try await eventually { try await post(token, headers: ["X-Forwarded-For": "192.0.2.1"]).status == 200 }
        }
    }

    /// What an answer tells, less its request's own id.
    private func told(_ reply: RunningServer.Reply) -> String {
        let id = reply.json["request_id"].string ?? "no id"
        return "\(reply.status) \(reply.headers["www-authenticate"] ?? "-") \(reply.body.replacing(id, with: "…"))"
    }

    private func forged(_ world: World) async throws -> [String: String] {
        let now = Int64(Date().timeIntervalSince1970)
        let good = try await world.token()
        let parts = good.split(separator: ".").map(String.init)
        var forged: [String: String] = [
            "unknown kid": try await world.token(["kid": "\"other\""]),
            "wrong issuer": try await world.token([:], ["iss": "\"https://nobody.example\""]),
            "another tenant's issuer": try await world.token([:], ["iss": "\"https://globex.example\"", "aud": "\"sluice-globex\""]),
            "another tenant's key": try await world.token(by: world.globexKey),
            "another tenant's key in the header": try await world.token(["jwk": world.globexKey.record.json], by: world.globexKey),
            "expired": try await world.token([:], ["exp": "\(now - 3_600)"]),
            "far nbf": try await world.token([:], ["nbf": "\(now + 3_600)"]),
            "exp a string": try await world.token([:], ["exp": "\"\(now + 600)\""]),
            "exp 1e400": try await world.token([:], ["exp": "1e400"]),
            "unknown crit": try await world.token(["crit": "[\"x\"]"]),
            "duplicate claims": try await world.token([:], ["exp": "\(now + 600),\"exp\":\(now + 601)"]),
            "stripped": "\(parts[0]).\(parts[1]).",
            "padded": good + "=",
            "JWE": "\(good).AAAA.AAAA",
            "cut": String(good.dropLast(3)),
        ]
        for alg in ["none", "None", "NONE", "nonE"] {
            let token = try await world.token(["alg": "\"\(alg)\""])
            forged["alg \(alg)"] = token
            forged["alg \(alg), unsigned"] = token.split(separator: ".").prefix(2).joined(separator: ".") + "."
        }
        return forged
    }

    @Test func refusesEachForgedTokenWithTheSameAnswer() async throws {
        let world = try await World.make()
        #expect(try await world.post(try await world.token()).status == 200, "an honest one, made in the same way")
        let without = told(try await world.scene.server.post("/v1/events", Webhook.body()))
        #expect(without.hasPrefix("401 "))
        var forged = try await forged(world)
        forged["HS256 over the RSA public key"] = try await confusedToken(world)
        forged["DER signature"] = try await derToken(world)
        for (name, token) in forged {
            let answer = told(try await world.post(token))
            #expect(answer == without, "\(name)")
        }
        #expect(!world.scene.server.log.contains(world.key.record.id) && !world.scene.server.log.contains("eyJ"), "no token in the log")
        await world.scene.server.stop()
    }

    /// An RSA issuer whose public key, which everybody knows, is taken for a shared secret.
    private func confusedToken(_ world: World) async throws -> String {
        let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        let rsa = key.publicKey
        let numbers = try rsa.getKeyPrimitives()
        let jwk =
            #"{"kty":"RSA","kid":"rsa","n":"\#(Base64URL.encode(numbers.modulus))","e":"\#(Base64URL.encode(numbers.publicExponent))"}"#
        let keys = try PublicKeyRecord.readRegistration(Array(jwk.utf8))
        let new = NewIssuer(issuer: "https://rsa.example", audience: "sluice-acme", keys: .set(keys))
        _ = try await world.scene.administration.addIssuer(tenant: "acme", new)
        let honest = try await world.unsigned(["alg": "\"RS256\"", "kid": "\"rsa\""], ["iss": "\"https://rsa.example\""])
        let right = try key.signature(for: SHA256.hash(data: Data(honest.utf8)), padding: .insecurePKCS1v1_5)
        let isRight = try await world.isTaken("\(honest).\(Base64URL.encode(right.rawRepresentation))")
        #expect(isRight, "the issuer is known, and its own signature is taken")
        let signed = try await world.unsigned(["alg": "\"HS256\"", "kid": "\"rsa\""], ["iss": "\"https://rsa.example\""])
        let secret = SymmetricKey(data: Data(rsa.pemRepresentation.utf8))
        return "\(signed).\(Base64URL.encode(HMAC<SHA256>.authenticationCode(for: Data(signed.utf8), using: secret)))"
    }

    /// A right ES256 signature in the wrong form.
    private func derToken(_ world: World) async throws -> String {
        let key = P256.Signing.PrivateKey()
        let point = Array(key.publicKey.rawRepresentation)
        let numbers = [point.prefix(32), point.suffix(32)].map { Base64URL.encode($0) }
        let jwk = #"{"kty":"EC","crv":"P-256","kid":"ec","x":"\#(numbers[0])","y":"\#(numbers[1])"}"#
        let keys = try PublicKeyRecord.readRegistration(Array(jwk.utf8))
        let new = NewIssuer(issuer: "https://ec.example", audience: "sluice-acme", keys: .set(keys))
        _ = try await world.scene.administration.addIssuer(tenant: "acme", new)
        let signed = try await world.unsigned(["alg": "\"ES256\"", "kid": "\"ec\""], ["iss": "\"https://ec.example\""])
        let signature = try key.signature(for: Data(signed.utf8))
        let isRight = try await world.isTaken("\(signed).\(Base64URL.encode(signature.rawRepresentation))")
        #expect(isRight, "the same signature in the right form")
        return "\(signed).\(Base64URL.encode(signature.derRepresentation))"
    }

    @Test func storesAndReadsWithATokensScopes() async throws {
        let world = try await World.make()
        let token = try await world.key.sign(world.claims())
        let stored = try await world.post(token)
        #expect(stored.status == 200 && stored.json["accepted"].int == 1, "\(stored.body)")
        #expect(try await world.scene.server.get("/v1/events", key: token).status == 403)
        let reads = try await world.key.sign(world.claims(scopes: [.query]))
        #expect(try await world.scene.server.get("/v1/events", key: reads).json["data"].count == 1)
        #expect(try await world.post(reads).status == 403)
        let admin = try await world.key.sign(world.claims(scopes: [.admin, .export]))
        #expect(try await world.scene.server.get("/v1/events", key: admin).status == 403, "capped by the registration")
        let hook = try await world.key.sign(world.claims(scopes: [.hook]))
        #expect(try await world.scene.server.post("/hooks/\(hook)", Webhook.body(user: "zoë")).status == 200)
        await world.scene.server.stop()
    }

    @Test func makesSendersKeepTheirEventsWhileATokenIsHeld() async throws {
        let world = try await World.make { $0.onExpired = .hold }
        _ = try await world.scene.administration.createSource(tenant: "acme", slug: "fb", profile: .fluentBit, schemaName: nil)
        _ = try await world.scene.administration.createSource(tenant: "acme", slug: "sap", profile: .privilegesWebhook, schemaName: nil)
        let expired = try await world.key.sign(world.claims(scopes: [.ingest, .hook, .query], from: -7_200, to: -3_600))
        for headers in [[:], ["x-source-id": "fb"]] {
            let held = try await world.post(expired, headers: headers)
            #expect(held.status == 429 && held.headers["retry-after"] == "60", "\(held.body)")
            #expect(held.json["code"].string == "credential_expired")
        }
        let body = Webhook.body()
        for head in [
            "POST /v1/events HTTP/1.1\r\nAuthorization: Bearer \(expired)\r\nx-source-id: sap\r\n", "POST /hooks/\(expired) HTTP/1.1\r\n",
        ] {
            let bytes = try world.scene.server.exchange("\(head)Host: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
            #expect(bytes.isEmpty, "the SAP client keeps its event when nothing comes back: \(String(decoding: bytes, as: UTF8.self))")
        }
        #expect(try await world.scene.server.get("/v1/events", key: expired).status == 401, "a reader has nothing to keep")
        let forged = try await world.token([:], ["exp": "1"], by: world.globexKey)
        #expect(try await world.post(forged).status == 401, "whoever cannot sign is held for nothing")
        await world.scene.server.stop()
    }

    @Test func refusesARemovedIssuersTokensWithinTwoSeconds() async throws {
        let world = try await World.make()
        let token = try await world.key.sign(world.claims())
        #expect(try await world.post(token).status == 200)
        _ = try await world.scene.administration.removeIssuer(tenant: "acme", id: world.issuer.id)
        let isRefused = try await eventually { try await world.post(token).status == 401 }
        #expect(isRefused)
        await world.scene.server.stop()
    }

    @Test func refusesTheCredentialsOfTwoTenants() async throws {
        let world = try await World.make()
        let token = try await world.key.sign(world.claims())
        let globex = try await world.scene.administration.createKey(tenant: "globex", kind: .ingest).text
        let two = try await world.post(token, headers: ["X-API-Key": globex])
        #expect(two.status == 400 && two.json["code"].string == "two_tenants", "\(two.body)")
        #expect(try await world.post(globex, headers: ["X-API-Key": world.scene.ingest]).status == 400)
        #expect(try await world.post(token, headers: ["X-API-Key": world.scene.ingest]).status == 200, "two of one tenant")
        #expect(try await world.post(token, headers: ["X-API-Key": "nope"]).status == 401, "all that is sent must hold")
        let hook = try await world.scene.server.post(world.scene.hookPath, Webhook.body(), headers: ["X-API-Key": globex])
        #expect(hook.status == 400 && hook.json["code"].string == "two_tenants", "\(hook.body)")
        let proxied = try await world.scene.server.post(world.scene.hookPath, Webhook.body(), headers: ["Authorization": "Basic eDp5"])
        #expect(proxied.status == 200, "a proxy's own password is not meant for us")
        await world.scene.server.stop()
    }
}
