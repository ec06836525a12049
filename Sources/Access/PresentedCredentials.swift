/// A credential as a request carries it: a key or a token.
package struct PresentedCredential: Sendable {
    package enum Place: Sendable {
        case authorization, apiKeyHeader, path
    }

    package let text: String
    package let place: Place

    package init(_ text: String, in place: Place) {
        self.text = text
        self.place = place
    }
}

/// What a request shows of itself.
package struct PresentedCredentials: Sendable {
    /// The first one is whose scopes count.
    package private(set) var list: [PresentedCredential]
    /// Whether one that does not hold ends it all, also when another does.
    let mustAllHold: Bool
    /// Whose the connection's client certificate is. It counts as the last of them, and alone when there is no other.
    package var certified: CertifiedSender?
    /// From an address that fails too often.
    package var isSuspect = false

    /// Credentials in headers: whoever sends several means all of them.
    package init(headers list: [PresentedCredential]) {
        self.list = list
        mustAllHold = true
    }

    /// A credential in a URL. What a proxy on the way put into the headers (a password of its own, say) is no reason to refuse the
    /// event, unless it opens another tenant.
    package init(path text: String?, headers: [PresentedCredential]) {
        list = [PresentedCredential(text ?? "", in: .path)] + headers
        mustAllHold = false
    }
}
