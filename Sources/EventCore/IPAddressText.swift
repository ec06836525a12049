#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// An IPv4 or IPv6 address as the C library writes it: shortest, lower case. No port, no prefix length, no zone.
enum IPAddressText {
    /// `INET6_ADDRSTRLEN`.
    private static let mostBytes = 46

    static func canonical(_ text: String) -> String? {
        guard text.utf8.count < mostBytes else { return nil }
        return canonical(text, family: text.utf8.contains(UInt8(ascii: ":")) ? AF_INET6 : AF_INET)
    }

    private static func canonical(_ text: String, family: Int32) -> String? {
        var address = in6_addr()
        guard inet_pton(family, text, &address) == 1 else { return nil }
        var written = [CChar](repeating: 0, count: mostBytes)
        guard inet_ntop(family, &address, &written, socklen_t(mostBytes)) != nil else { return nil }
        return String(decoding: written.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
