#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// An IPv4 or IPv6 address, as 128 bits; an IPv4 one is ::ffff:a.b.c.d, however it was written.
package struct IPAddress: Hashable, Sendable {
    package let high: UInt64
    package let low: UInt64

    private static let v4Prefix: UInt64 = 0xFFFF_0000_0000

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// - Parameter v4: in host byte order.
    package init(v4: UInt32) {
        self.init(high: 0, low: Self.v4Prefix | UInt64(v4))
    }

    /// - Parameter v6: 16 bytes in network byte order; nil for another number of them.
    package init?(v6 bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 16 else { return nil }
        high = UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
        low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    /// Without port, prefix length, zone or brackets.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count < 46 else { return nil }
        let text = String(text)
        if text.utf8.contains(UInt8(ascii: ":")) {
            var address = in6_addr()
            guard inet_pton(AF_INET6, text, &address) == 1 else { return nil }
            guard let parsed = withUnsafeBytes(of: &address, { IPAddress(v6: $0) }) else { return nil }
            self = parsed
        } else {
            var address = in_addr()
            guard inet_pton(AF_INET, text, &address) == 1 else { return nil }
            self.init(v4: UInt32(bigEndian: address.s_addr))
        }
    }

    package var isV4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// What one subscriber has: the address itself, of IPv6 its /64.
    var network: IPAddress { isV4 ? self : IPAddress(high: high, low: 0) }
}

extension IPAddress: CustomStringConvertible {
    package var description: String {
        var written = [CChar](repeating: 0, count: 46)
        if isV4 {
            var address = in_addr(s_addr: UInt32(truncatingIfNeeded: low).bigEndian)
            guard inet_ntop(AF_INET, &address, &written, 46) != nil else { return "?" }
        } else {
            var bytes = (high.bigEndian, low.bigEndian)
            guard withUnsafeBytes(of: &bytes, { inet_ntop(AF_INET6, $0.baseAddress, &written, 46) }) != nil else { return "?" }
        }
        return String(decoding: written.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
