/// The proxies whose word about who stands behind them is taken.
package struct TrustedProxies: Sendable {
    private struct Network: Sendable {
        let address: IPAddress
        /// Of 128.
        let bits: Int

        func contains(_ other: IPAddress) -> Bool {
            let highMask: UInt64 = bits >= 64 ? .max : ~(UInt64.max >> UInt64(bits))
            let lowMask: UInt64 = bits >= 128 ? .max : bits <= 64 ? 0 : ~(UInt64.max >> UInt64(bits - 64))
            return (other.high ^ address.high) & highMask == 0 && (other.low ^ address.low) & lowMask == 0
        }
    }

    private let networks: [Network]
    /// A header is read this far back and no further.
    private static let mostHops = 32

    package static let none = TrustedProxies(networks: [])

    private init(networks: [Network]) {
        self.networks = networks
    }

    /// Addresses and networks (`10.0.0.0/8, ::1`), divided by commas; nil when one is neither.
    package init?(_ text: String) {
        var networks: [Network] = []
        for part in text.split(separator: ",") {
            let pieces = part.drop { $0 == " " }.split(separator: "/", omittingEmptySubsequences: false)
            guard let first = pieces.first, let address = IPAddress(Self.trimmed(first)), pieces.count <= 2 else { return nil }
            let most = address.isV4 ? 32 : 128
            guard pieces.count == 2 else {
                networks.append(Network(address: address, bits: 128))
                continue
            }
            guard let bits = Int(Self.trimmed(pieces[1])), (0...most).contains(bits) else { return nil }
            networks.append(Network(address: address, bits: bits + 128 - most))
        }
        self.networks = networks
    }

    package var isEmpty: Bool { networks.isEmpty }

    package func contains(_ address: IPAddress) -> Bool { networks.contains { $0.contains(address) } }

    /// Who really sent a request: the peer, or, when that is a proxy of ours, the rightmost of the addresses that it forwards for
    /// which is none. What stands further left is the sender's own word.
    ///
    /// - Parameter forwarded: all values of `X-Forwarded-For`, in order.
    package func client(peer: IPAddress, forwarded: [String]) -> IPAddress {
        guard !networks.isEmpty, contains(peer) else { return peer }
        var client = peer
        var hops = 0
        for value in forwarded.reversed() {
            for part in value.split(separator: ",").reversed() {
                hops += 1
                guard hops <= Self.mostHops, let address = IPAddress(Self.withoutPort(Self.trimmed(part))) else { return client }
                client = address
                guard contains(address) else { return client }
            }
        }
        return client
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }

    /// Some proxies write `1.2.3.4:5678` or `[::1]:5678`.
    private static func withoutPort(_ text: Substring) -> Substring {
        if text.first == "[", let end = text.firstIndex(of: "]") { return text[..<end].dropFirst() }
        guard text.utf8.filter({ $0 == UInt8(ascii: ":") }).count == 1 else { return text }
        return text.prefix { $0 != ":" }
    }
}
