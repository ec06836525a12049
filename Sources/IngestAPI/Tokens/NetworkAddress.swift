import Foundation

/// An IP address; an IPv4 address within IPv6 (`::ffff:10.0.0.1`) is that IPv4 address.
struct NetworkAddress: Hashable, Sendable {
    /// 4 or 16.
    let bytes: [UInt8]

    init(bytes: [UInt8]) {
        let isMapped = bytes.count == 16 && bytes.starts(with: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF])
        self.bytes = isMapped ? Array(bytes.suffix(4)) : bytes
    }

    init?(_ text: String) {
        var four = [UInt8](repeating: 0, count: 4)
        var sixteen = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &four) == 1 {
            self.init(bytes: four)
        } else if inet_pton(AF_INET6, text, &sixteen) == 1 {
            self.init(bytes: sixteen)
        } else {
            return nil
        }
    }

    /// As `inet_ntop` writes it.
    var text: String {
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard inet_ntop(family, bytes, &buffer, socklen_t(buffer.count)) != nil else { return "" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Somewhere on the Internet: no address of this machine, of a private or local network, of a group or of a tunnel
    /// (the special-purpose registries of RFC 6890).
    var isPublic: Bool {
        bytes.count == 4 ? !Self.special4.contains { $0.contains(self) } : Self.isPublic6(self)
    }

    private static func isPublic6(_ address: NetworkAddress) -> Bool {
        guard let globalUnicast, globalUnicast.contains(address) else { return false }
        return !special6.contains { $0.contains(address) }
    }

    private static let special4 = [
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    ].compactMap(Network.init)

    /// All of ::1, fc00::/7 (ULA), fe80::/10, ff00::/8, 64:ff9b::/96 and the rest that is no unicast lies outside of it.
    private static let globalUnicast = Network("2000::/3")
    private static let special6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"].compactMap(Network.init)
}

/// A network in CIDR's notation, `10.0.0.0/8`; a bare address is a network of one.
struct Network: Hashable, Sendable {
    private let base: NetworkAddress
    private let length: Int

    init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let first = parts.first, let base = NetworkAddress(String(first)), parts.count <= 2 else { return nil }
        let bits = base.bytes.count * 8
        guard let length = parts.count == 2 ? Int(parts[1]) : bits, (0...bits).contains(length) else { return nil }
        self.base = base
        self.length = length
    }

    func contains(_ address: NetworkAddress) -> Bool {
        guard address.bytes.count == base.bytes.count else { return false }
        for (place, (one, other)) in zip(base.bytes, address.bytes).enumerated() {
            let bits = min(max(length - place * 8, 0), 8)
            guard (one ^ other) >> (8 - bits) == 0 else { return false }
        }
        return true
    }
}
