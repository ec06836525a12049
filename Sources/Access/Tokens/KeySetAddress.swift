/// Where an issuer publishes its key set: `https://` and a host's name, nothing that could be read in two ways.
package struct KeySetAddress: Sendable, Hashable, CustomStringConvertible {
    package let text: String
    package let host: String
    package let port: Int

    /// Nil for any other scheme, for a user, a fragment, an address instead of a name, and for anything but visible ASCII.
    package init?(_ text: String) {
        let scheme = "https://"
        guard text.utf8.count <= 1024, text.isVisibleASCII, text.hasPrefix(scheme) else { return nil }
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" && $0 != "\\" }
        let path = rest.dropFirst(authority.count)
        guard path.isEmpty || path.hasPrefix("/"), !path.contains("#"), !path.contains("\\") else { return nil }
        let parts = authority.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let host = parts.first, Self.isName(host) else { return nil }
        if parts.count == 2 {
            guard let port = UInt16(parts[1]), port > 0, parts[1].allSatisfy(\.isNumber) else { return nil }
            self.port = Int(port)
        } else {
            port = 443
        }
        self.text = text
        self.host = String(host)
    }

    /// Labels of a-z, 0-9 and hyphens; the last one no number, as in 127.0.0.1 and 2130706433.
    private static func isName(_ host: Substring) -> Bool {
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        let areLabels = labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
                && label.utf8.allSatisfy { Base62.contains($0) && !($0 >= 0x41 && $0 <= 0x5A) || $0 == UInt8(ascii: "-") }
        }
        guard areLabels, (1...253).contains(host.utf8.count), let last = labels.last else { return false }
        return last.utf8.contains { $0 >= UInt8(ascii: "a") }
    }

    package var description: String { text }
}
