import EventCore
import Testing

@testable import Access

/// A request with more than one credential.
@Suite struct SeveralCredentialsTests {
    private struct Keys: KeyLookup {
        var records: [KeyID: KeyRecord] = [:]
        func findKey(_ id: KeyID, isSuspect: Bool) async throws -> KeyRecord? { records[id] }
    }

    private struct World {
        let acme = APIKey.generate(.ingest)
        let acmeReads = APIKey.generate(.query)
        let globex = APIKey.generate(.ingest)
        let token: String
        let held: String
        let authenticator: Authenticator

        init() async throws {
            var keys = Keys()
            for (key, tenant) in [(acme, Int32(7)), (acmeReads, 7), (globex, 8)] {
                keys.records[key.id] = KeyRecord(
                    tenant: TenantID(rawValue: tenant),
                    tenantSlug: "t",
                    retentionDays: 90,
                    isSuspended: false,
                    kind: key.kind,
                    digest: key.digest,
                    scopes: key.kind.scopes,
                    source: nil,
                    name: "",
                    expiresAt: nil,
                    revokedAt: nil
                )
            }
            let issuer = try TestIssuer.ed25519 { $0.onExpired = .hold }
            token = try await issuer.token()
            held = try await issuer.token(payload: issuer.payload(["exp": "\(tokenNow - 40)"]))
            let tokens = TokenVerifier(issuers: TestIssuers(issuer), remoteKeys: NoRemoteKeys())
            authenticator = Authenticator(keys: keys, tokens: tokens)
        }
    }

    @Test func takesTwoOfOneTenant() async throws {
        let world = try await World()
        #expect(await outcome(world.authenticator, .init(headers: [world.acme.text, world.token])) == "tenant 7")
        #expect(await outcome(world.authenticator, .init(headers: [world.token, world.acmeReads.text])) == "tenant 7")
        #expect(await outcome(world.authenticator, .init(headers: [world.acmeReads.text, world.token])) == "missing ingest")
    }

    @Test func refusesTwoTenants() async throws {
        let world = try await World()
        #expect(await outcome(world.authenticator, .init(headers: [world.acme.text, world.globex.text])) == "two tenants")
        #expect(await outcome(world.authenticator, .init(headers: [world.globex.text, world.token])) == "two tenants")
        #expect(await outcome(world.authenticator, .init(headers: [world.globex.text, world.held])) == "two tenants")
        #expect(await outcome(world.authenticator, .init(path: world.acme.text, headers: [world.globex.text])) == "two tenants")
    }

    @Test func wantsAllOfThemToHold() async throws {
        let world = try await World()
        #expect(await outcome(world.authenticator, .init(headers: [world.acme.text, "nope"])) == "unauthenticated")
        #expect(await outcome(world.authenticator, .init(headers: ["nope", world.acme.text])) == "unauthenticated")
        #expect(await outcome(world.authenticator, .init(headers: [world.acme.text, world.held])) == "held for 7")
        #expect(await outcome(world.authenticator, .init(headers: [String]())) == "unauthenticated")
    }

    @Test func overlooksAProxysOwnPasswordBesideAURL() async throws {
        let world = try await World()
        #expect(await outcome(world.authenticator, .init(path: world.acme.text, headers: ["a proxy's password"])) == "tenant 7")
        #expect(await outcome(world.authenticator, .init(path: nil, headers: [world.acme.text])) == "unauthenticated")
    }
}
