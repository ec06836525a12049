import Access
import HTTPTypes
import Hummingbird

/// Knows who stands before the door, and makes those wait who knock with wrong credentials too often.
///
/// It never decides about a credential that holds, whatever address it comes from.
struct Doorkeeper: Sendable {
    private let proxies: TrustedProxies
    private let failures = FailedAttempts()

    init(proxies: TrustedProxies) {
        self.proxies = proxies
    }

    /// The peer, or whom a trusted proxy speaks for.
    func client(of request: Request, context: APIContext) -> IPAddress? {
        guard !proxies.isEmpty, let name = Self.forwardedFor else { return context.peerAddress }
        return client(of: context.peerAddress, forwarded: request.headers[values: name])
    }

    /// - Parameter forwarded: the values of `X-Forwarded-For`, in their order.
    func client(of peer: IPAddress?, forwarded: [String]) -> IPAddress? {
        guard let peer, !proxies.isEmpty else { return peer }
        return proxies.client(peer: peer, forwarded: forwarded)
    }

    func isSuspect(_ address: IPAddress?) -> Bool {
        address.map { failures.isSuspect($0, now: .now) } ?? false
    }

    /// What a credential that does not hold is answered with.
    func refusal(from address: IPAddress?) -> Problem {
        guard let address, let wait = failures.fail(from: address, now: .now) else { return .unauthenticated }
        return Problem(
            .tooManyRequests,
            .tooManyFailures,
            "Too many wrong credentials came from this address; one that holds is still taken.",
            headers: [.retryAfter: String(wait)]
        )
    }

    private static let forwardedFor = HTTPField.Name("X-Forwarded-For")
}
