import Foundation

/// Where senders reach Sluice: `https://sluice.example.com`, without a path.
struct ServerAddress: Sendable {
    let host: String
    let port: Int
    let isTLS: Bool

    /// - Parameter text: plain http only for this machine: a credential goes there with every request.
    init(_ text: String) throws {
        let wrong = Failure(
            "the server's URL is like https://sluice.example.com or https://10.0.0.7:8443, without user and path",
            exitCode: Failure.askedWrongly
        )
        guard
            let url = URLComponents(string: text), let scheme = url.scheme?.lowercased(), ["http", "https"].contains(scheme),
            let host = url.host, !host.isEmpty, host.utf8.allSatisfy(Self.isHostByte), ["", "/"].contains(url.path),
            url.user == nil, url.password == nil, url.query == nil, url.fragment == nil
        else { throw wrong }
        isTLS = scheme == "https"
        guard isTLS || ["localhost", "127.0.0.1"].contains(host) else {
            throw Failure(
                "\(host) must be reached by https: the credential would go over the network in the clear",
                exitCode: Failure.askedWrongly
            )
        }
        port = url.port ?? (isTLS ? 443 : 80)
        guard (1...65_535).contains(port) else { throw wrong }
        self.host = host
    }

    /// Names and IPv4 addresses: what Fluent Bit's Host takes as it is.
    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "."), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// Without a slash at its end.
    var text: String {
        let isUsual = port == (isTLS ? 443 : 80)
        return "\(isTLS ? "https" : "http")://\(host)\(isUsual ? "" : ":\(port)")"
    }
}
