import Access
import EventStore
import Foundation
import Logging
import NIOHTTP1
import Synchronization
import TestSupport
import Testing

@testable import IngestAPI

/// Key sets that issuers publish.
@Suite(.fewAtOnce) struct KeySetTests {
    /// With time enough for a busy machine.
    private static let loopback = KeySetDownload.Settings(
        allowedNetworks: ["127.0.0.0/8"].compactMap(Network.init),
        timeout: .seconds(60)
    )

    private func set(_ keys: SigningKey...) -> String { "{\"keys\":[\(keys.map(\.record.json).joined(separator: ","))]}" }

    private func newKey() throws -> SigningKey { try .generateEd25519(issuer: "https://idp.example", audience: "sluice-acme") }

    private func token(_ key: SigningKey) async throws -> String {
        let now = Int64(Date().timeIntervalSince1970)
        return try await key.sign(
            SigningKey.Claims(
                issuer: "https://idp.example",
                audience: "sluice-acme",
                subject: nil,
                scopes: [.ingest],
                issuedAt: now,
                expiresAt: now + 600
            )
        )
    }

    @Test func takesTheTokensOfAProviderThatPublishesItsKeys() async throws {
        let (old, new) = (try newKey(), try newKey())
        let provider = try await KeySetServer.start(.init(status: .serviceUnavailable, body: ""))
        let scene = try await Scene.make(
            environment: ["JWKS_ALLOW_PRIVATE": "127.0.0.0/8", "JWKS_CA_FILE": provider.certificateFile]
        )
        let address = try #require(KeySetAddress(provider.url))
        let issuer = NewIssuer(issuer: "https://idp.example", audience: "sluice-acme", keys: .address(address))
        _ = try await scene.administration.addIssuer(tenant: "acme", issuer)
        let away = try await scene.server.post("/v1/events", Webhook.body(), key: try await token(old))
        #expect(away.status == 503 && away.headers["retry-after"] != nil, "who signed cannot be known: \(away.body)")
        provider.answer(.init(body: set(old)))
        let isTaken = try await eventually(within: .seconds(30)) {
            try await scene.server.post("/v1/events", Webhook.body(), key: token(old)).status == 200
        }
        #expect(isTaken)
        let requests = provider.requests
        for _ in 0..<20 {
            #expect(try await scene.server.post("/v1/events", Webhook.body(), key: try await token(new)).status == 401)
            #expect(try await scene.server.post("/v1/events", Webhook.body(), key: try await token(old)).status == 200)
        }
        #expect(provider.requests <= requests + 1, "unknown keys are asked for once a minute, however many come")
        await scene.server.stop()
        await provider.stop()
    }

    @Test func connectsToNoPrivateAddressUnlessItIsAllowed() async throws {
        let provider = try await KeySetServer.start(.init(body: set(try newKey())))
        let address = try #require(KeySetAddress(provider.url))
        var settings = Self.loopback
        settings.certificateFile = provider.certificateFile
        _ = try await KeySetDownload(settings).fetch(address)
        #expect(provider.requests == 1)
        settings.allowedNetworks = []
        await #expect(throws: KeySetDownload.Failed.self) { _ = try await KeySetDownload(settings).fetch(address) }
        settings.allowedNetworks = ["10.0.0.0/8"].compactMap(Network.init)
        await #expect(throws: KeySetDownload.Failed.self) { _ = try await KeySetDownload(settings).fetch(address) }
        #expect(provider.requests == 1, "nothing was sent")
        await provider.stop()
    }

    @Test func connectsToTheAddressThatWasChecked() async throws {
        let provider = try await KeySetServer.start(.init(body: set(try newKey())))
        let address = try #require(KeySetAddress(provider.url))
        var settings = Self.loopback
        settings.certificateFile = provider.certificateFile
        // The name itself leads to 127.0.0.1, where the provider is; nobody listens at 127.0.0.2.
        let elsewhere = KeySetDownload(settings) { _ in [NetworkAddress("10.9.9.9"), NetworkAddress("127.0.0.2")].compactMap(\.self) }
        await #expect(throws: (any Error).self) { _ = try await elsewhere.fetch(address) }
        #expect(provider.requests == 0)
        await provider.stop()
    }

    @Test func trustsNoOneWhoseCertificateIsUnknown() async throws {
        let provider = try await KeySetServer.start(.init(body: set(try newKey())))
        let address = try #require(KeySetAddress(provider.url))
        await #expect(throws: (any Error).self) { _ = try await KeySetDownload(Self.loopback).fetch(address) }
        #expect(provider.requests == 0)
        await provider.stop()
    }

    @Test func takesNoRedirectsNoEndlessAnswersAndNothingElse() async throws {
        let good = set(try newKey())
        let provider = try await KeySetServer.start(.init(body: good))
        let address = try #require(KeySetAddress(provider.url))
        var settings = Self.loopback
        settings.certificateFile = provider.certificateFile
        let download = KeySetDownload(settings)
        for answer: KeySetServer.Answer in [
            .init(status: .found, headers: [("location", provider.url)], body: ""), .init(status: .notFound, body: good),
            .init(body: good + String(repeating: " ", count: 64 << 10)), .init(body: "<html>"), .init(body: "{}"),
        ] {
            provider.answer(answer)
            await #expect(throws: (any Error).self) { _ = try await download.fetch(address) }
        }
        #expect(provider.requests == 5, "a redirect is not followed")
        provider.answer(.init(body: good))
        _ = try await download.fetch(address)
        await provider.stop()
    }

    /// Where it does not give up, this test takes an hour.
    @Test func givesUpWhenItsTimeIsOver() async throws {
        #expect(KeySetDownload.Settings().timeout == .seconds(2))
        let address = try #require(KeySetAddress("https://localhost:1/jwks"))
        let download = KeySetDownload(.init(timeout: .milliseconds(50))) { _ in
            try await Task.sleep(for: .seconds(3_600))
            return []
        }
        await #expect(throws: KeySetDownload.Failed.self) { _ = try await download.fetch(address) }
    }

    @Test func knowsWhichAddressesArePublic() {
        let download = KeySetDownload(.init())
        for text in ["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::8"] {
            #expect(NetworkAddress(text).map(download.isAllowed) == true, "\(text)")
        }
        for text in [
            "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255",
            "192.168.1.1", "192.0.0.8", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
            "fc00::1", "fd12:3456::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::7f00:1",
            "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1", "2001:db8::1", "100::1",
        ] { #expect(NetworkAddress(text).map(download.isAllowed) == false, "\(text)") }
        let allowed = KeySetDownload(.init(allowedNetworks: ["fd00::/8", "10.1.0.0/16", "192.168.7.9"].compactMap(Network.init)))
        for text in ["fd12::1", "10.1.2.3", "192.168.7.9", "::ffff:10.1.2.3"] {
            #expect(NetworkAddress(text).map(allowed.isAllowed) == true, "\(text)")
        }
        for text in ["fe80::1", "10.2.0.1", "192.168.7.8"] { #expect(NetworkAddress(text).map(allowed.isAllowed) == false, "\(text)") }
        for text in ["", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "::/129", "10.0.0.0/8/8", "x"] {
            #expect(Network(text) == nil, "\(text)")
        }
    }
}

/// When key sets are fetched, by a clock that tests move.
@Suite(.fewAtOnce) struct KeySetScheduleTests {
    private struct Down: Error {}

    private final class World: Sendable {
        let start = ContinuousClock.now
        let elapsed = Mutex(Duration.zero)
        let fetches = Mutex(0)
        let keys = Mutex<[PublicKeyRecord]?>(nil)

        var count: Int { fetches.withLock { $0 } }
        func advance(_ duration: Duration) { elapsed.withLock { $0 += duration } }
        func publish(_ records: [PublicKeyRecord]?) { keys.withLock { $0 = records } }

        func makeSets() -> RemoteKeySets {
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            return RemoteKeySets(logger: logger, now: { self.start + self.elapsed.withLock { $0 } }) { _ in
                self.fetches.withLock { $0 += 1 }
                guard let records = self.keys.withLock({ $0 }) else { throw Down() }
                return await IssuerKeySet(records)
            }
        }
    }

    private func record() throws -> PublicKeyRecord { try SigningKey.generateEd25519(issuer: "i", audience: "a").record }
    private let address = KeySetAddress("https://idp.example/jwks")

    @Test func fetchesOnceAndRefreshesByTheWay() async throws {
        let (world, key, address) = (World(), try record(), try #require(address))
        let sets = world.makeSets()
        world.publish([key])
        for _ in 0..<10 { #expect(try await sets.keySet(at: address, holding: key.id).contains(key.id)) }
        #expect(world.count == 1)
        world.advance(.seconds(601))
        #expect(try await sets.keySet(at: address, holding: key.id).contains(key.id))
        #expect(try await eventually { world.count == 2 })
    }

    @Test func asksForAnUnknownKeyOnceAMinute() async throws {
        let (world, old, new, address) = (World(), try record(), try record(), try #require(address))
        let sets = world.makeSets()
        world.publish([old])
        for _ in 0..<10 { #expect(try await !sets.keySet(at: address, holding: "made-up").contains("made-up")) }
        #expect(world.count == 1, "the first fetch counts")
        world.publish([old, new])
        #expect(try await !sets.keySet(at: address, holding: new.id).contains(new.id))
        world.advance(.seconds(60))
        #expect(try await sets.keySet(at: address, holding: new.id).contains(new.id))
        for _ in 0..<10 { #expect(try await !sets.keySet(at: address, holding: "made-up").contains("made-up")) }
        #expect(world.count == 2)
    }

    @Test func saysThatItCannotKnowWhileTheProviderIsAway() async throws {
        let (world, key, address) = (World(), try record(), try #require(address))
        let sets = world.makeSets()
        for _ in 0..<10 { await #expect(throws: (any Error).self) { _ = try await sets.keySet(at: address, holding: key.id) } }
        #expect(world.count == 1, "nor does it hammer")
        world.publish([key])
        world.advance(.seconds(5))
        #expect(try await sets.keySet(at: address, holding: key.id).contains(key.id))
    }

    @Test func usesAnOldSetForADayWhileTheProviderIsAway() async throws {
        let (world, key, address) = (World(), try record(), try #require(address))
        let sets = world.makeSets()
        world.publish([key])
        _ = try await sets.keySet(at: address, holding: key.id)
        world.publish(nil)
        for hour in 1..<24 {
            world.advance(.seconds(3_600))
            let before = world.count
            // Asked again, because the refresh of the hour before may not have ended yet, and there is one at a time.
            let isTrying = try await eventually {
                let isUsed = try await sets.keySet(at: address, holding: key.id).contains(key.id)
                #expect(isUsed, "hour \(hour)")
                return world.count > before
            }
            #expect(isTrying)
        }
        await #expect(throws: (any Error).self) { _ = try await sets.keySet(at: address, holding: "unknown") }
        world.advance(.seconds(3_601))
        await #expect(throws: (any Error).self) { _ = try await sets.keySet(at: address, holding: key.id) }
    }
}
