import Testing

@testable import Access

@Suite struct FailedAttemptsTests {
    private let clock = ManualClock()

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test func answersThirtyFailuresThenTellsToWait() throws {
        let failures = FailedAttempts()
        let address = try address("192.0.2.1")
        for _ in 0..<30 { #expect(failures.fail(from: address, now: clock.now) == nil) }
        #expect(failures.isSuspect(address, now: clock.now))
        #expect(failures.fail(from: address, now: clock.now) == 2)
        #expect(failures.fail(from: try self.address("192.0.2.2"), now: clock.now) == nil)
        clock.advance(.seconds(2))
        #expect(!failures.isSuspect(address, now: clock.now))
        #expect(failures.fail(from: address, now: clock.now) == nil)
        clock.advance(.seconds(60))
        for _ in 0..<30 { #expect(failures.fail(from: address, now: clock.now) == nil) }
    }

    @Test func takesANetworkOfIPv6ForOneSender() throws {
        let failures = FailedAttempts(FailedAttempts.Bounds(perMinute: 1))
        #expect(failures.fail(from: try address("2001:db8:0:1::1"), now: clock.now) == nil)
        #expect(failures.fail(from: try address("2001:db8:0:1:ffff::2"), now: clock.now) != nil)
        #expect(failures.fail(from: try address("2001:db8:0:2::1"), now: clock.now) == nil)
        #expect(failures.fail(from: try address("::ffff:192.0.2.7"), now: clock.now) == nil)
        #expect(failures.fail(from: try address("192.0.2.7"), now: clock.now) != nil, "one address, written in two ways")
    }

    @Test func holdsABoundedNumberOfAddresses() {
        let failures = FailedAttempts(FailedAttempts.Bounds(perMinute: 2, addresses: 100))
        for number in 0..<10_000 { _ = failures.fail(from: IPAddress(v4: UInt32(number)), now: clock.now) }
        #expect(failures.count <= 100)
        clock.advance(.seconds(120))
        _ = failures.fail(from: IPAddress(v4: 1_000_000), now: clock.now)
        #expect(failures.count <= 100)
    }
}

@Suite struct TrustedProxiesTests {
    private func client(_ proxies: String, peer: String, _ forwarded: [String]) throws -> String {
        try #require(TrustedProxies(proxies)).client(peer: try #require(IPAddress(peer)), forwarded: forwarded).description
    }

    @Test func believesOnlyTrustedPeers() throws {
        #expect(try client("", peer: "10.0.0.1", ["1.1.1.1"]) == "10.0.0.1")
        #expect(try client("10.0.0.0/8", peer: "192.0.2.1", ["1.1.1.1"]) == "192.0.2.1")
        #expect(try client("10.0.0.0/8", peer: "10.9.9.9", ["1.1.1.1"]) == "1.1.1.1")
        #expect(try client("10.0.0.0/8", peer: "10.9.9.9", []) == "10.9.9.9")
    }

    @Test func takesTheRightmostAddressThatIsNoProxy() throws {
        #expect(try client("10.0.0.0/8,::1", peer: "::1", ["6.6.6.6, 1.1.1.1, 10.0.0.2"]) == "1.1.1.1")
        #expect(try client("10.0.0.0/8", peer: "10.0.0.1", ["6.6.6.6", "1.1.1.1 ,10.0.0.2"]) == "1.1.1.1")
        #expect(try client("10.0.0.0/8", peer: "10.0.0.1", ["10.0.0.7, 10.0.0.2"]) == "10.0.0.7", "all are proxies: the furthest")
        #expect(try client("10.0.0.0/8", peer: "10.0.0.1", ["6.6.6.6, nonsense, 10.0.0.2"]) == "10.0.0.2", "nothing is read past nonsense")
    }

    @Test func readsAddressesAsProxiesWriteThem() throws {
        #expect(try client("10.0.0.1", peer: "10.0.0.1", ["1.1.1.1:4711"]) == "1.1.1.1")
        #expect(try client("10.0.0.1", peer: "10.0.0.1", ["[2001:db8::1]:4711"]) == "2001:db8::1")
        #expect(try client("10.0.0.1", peer: "10.0.0.1", ["2001:db8::1"]) == "2001:db8::1")
        #expect(try client("10.0.0.1", peer: "::ffff:10.0.0.1", ["1.1.1.1"]) == "1.1.1.1")
    }

    @Test func readsAListOfNetworks() throws {
        let proxies = try #require(TrustedProxies(" 10.0.0.0/8, 192.0.2.1 ,2001:db8::/33,fe80::/64, 0.0.0.0/32"))
        for inside in ["10.255.0.1", "192.0.2.1", "2001:db8:7fff::1", "fe80::1"] {
            #expect(proxies.contains(try #require(IPAddress(inside))), "\(inside)")
        }
        for outside in ["11.0.0.1", "192.0.2.2", "2001:db8:8000::1", "fe80:0:0:1::1", "::1", "0.0.0.1"] {
            #expect(!proxies.contains(try #require(IPAddress(outside))), "\(outside)")
        }
        let everybody = try #require(TrustedProxies("::/0"))
        #expect(everybody.contains(IPAddress(v4: 1)))
        for bad in ["10.0.0.0/33", "nope", "10.0.0.1/", "10.0.0.1/8/8", "::/129", "10.0.0.0/-1"] {
            #expect(TrustedProxies(bad) == nil, "\(bad)")
        }
        #expect(TrustedProxies("")?.isEmpty == true)
    }
}

@Suite struct LegacyKeyTests {
    private func reason(_ line: String) -> String? {
        do throws(LegacyKey.Invalid) {
            _ = try LegacyKey(line: line)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func readsPrivLogsLists() throws {
        let text = "0123456789abcdef:Grafana\r\n# a comment\n\n fedcba9876543210:Script:with:colons , aaaaaaaaaaaaaaaa:\nbbbbbbbbbbbbbbbb"
        let keys = try LegacyKey.parse(text)
        #expect(keys.map(\.name) == ["Grafana", "Script:with:colons", "", ""])
        #expect(keys[0].digest == LegacyKey.digest(ofPresented: "0123456789abcdef"))
    }

    @Test func refusesWhatIsNoKeyWithoutRepeatingIt() {
        for line in [
            "short-secret:x", "with a space in it:x", "slc_qry_0123456789abcdef:x", String(repeating: "k", count: 257),
            "schlüssel0123456789:x",
        ] {
            let reason = reason(line)
            #expect(reason != nil && !(reason ?? "").contains(line.prefix(8)), "\(line)")
        }
        let many = (0...LegacyKey.mostOfAll).map { "key-number-\(100_000 + $0):n" }.joined(separator: "\n")
        #expect(throws: LegacyKey.Invalid.self) { try LegacyKey.parse(many) }
    }
}
