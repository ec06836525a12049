import Access
import EventCore
import Logging
import NIOCore
import NIOSSL
import ServiceLifecycle
import Synchronization

/// Finds out whose a connection's client certificate is: once for each connection, and again when authorities have changed.
final class ClientCertificates: Sendable {
    private let lookup: any ClientAuthorityLookup
    private let logger: Logger
    /// Whether any tenant has an authority, as far as was heard last. Asked for in vain a certificate costs nothing; not asked for, a
    /// sender that has nothing else would be refused.
    private let hasAuthorities = Atomic(true)
    private let chains = KnownChains()
    /// Has sessions that were begun before resumed no more.
    private let forgetSessions: @Sendable () -> Void

    struct Incomplete: Error {}

    init(_ lookup: any ClientAuthorityLookup, logger: Logger, forgetSessions: @escaping @Sendable () -> Void) {
        self.lookup = lookup
        self.forgetSessions = forgetSessions
        self.logger = logger
    }

    /// Whether new connections are asked for a certificate.
    var isAsking: Bool { hasAuthorities.load(ordering: .relaxed) }

    /// Looks whether there is anybody to ask for.
    func refresh() async {
        guard let authorities = try? await lookup.authorities() else { return }
        hasAuthorities.store(!authorities.isEmpty, ordering: .relaxed)
    }

    /// The sender that a connection's certificate names; nil when it has shown none, or one that is no tenant's.
    ///
    /// - Throws: when that cannot be known now.
    func sender(of peer: PeerCertificate?) async throws -> CertifiedSender? {
        guard let peer, peer.isShown else { return nil }
        let authorities = try await lookup.authorities()
        if let verdict = peer.verdict(by: authorities, now: .now()) { return verdict.sender }
        let chain = peer.chain
        let verdict = await authorities.judge(chain, now: .now())
        if verdict.sender == nil, !peer.isWhole {
            // What leads to its authority may be missing: a whole handshake tells, and no session from before gets around that.
            forgetSessions()
            throw Incomplete()
        }
        peer.keep(verdict, by: authorities)
        if verdict.sender == nil {
            logger.debug("A client certificate is no tenant's: unknown, expired, not for clients, or two tenants'")
        } else {
            chains.keep(chain)
        }
        return verdict.sender
    }

    /// What is known of a connection's certificate without a wait. Nil: `sender` must be asked.
    func known(_ peer: PeerCertificate?) -> CertificateVerdict? {
        guard let peer, peer.isShown else { return .none }
        guard let authorities = lookup.knownAuthorities() else { return nil }
        return peer.verdict(by: authorities, now: .now())
    }

    /// Takes any certificate in the handshake, which has proved that the sender has its key. Whose it is is asked when it matters, so that
    /// one that is nobody's, a browser's say, is in nobody's way.
    func take(_ peer: PeerCertificate) -> NIOSSLCustomVerificationCallbackWithMetadata {
        { [chains] chain, promise in
            // What is longer than any chain that counts is nobody's, and is not kept.
            if chain.count <= ClientAuthorities.longestChain, let shown = try? chain.map({ try $0.toDERBytes() }),
                shown.reduce(0, { $0 + $1.count }) <= ClientAuthorities.largestChain
            {
                peer.show(shown)
                chains.note(shown)
            }
            promise.succeed(.certificateVerified(VerificationMetadata(nil)))
        }
    }

    /// A resumed session shows no certificates: it goes by those of the one that it resumes, of which TLS tells the first.
    func resume(_ peer: PeerCertificate, with certificate: NIOSSLCertificate?) {
        guard !peer.isShown, let own = try? certificate?.toDERBytes() else { return }
        let rest = chains.rest(of: own)
        peer.show([own] + (rest ?? []), isWhole: rest != nil)
    }
}

/// What led from certificates to their authorities, for sessions that are resumed. Bounded: those that are tenants', and apart from them,
/// so that they never push one of these out, those that nobody has looked at or that are nobody's yet.
private final class KnownChains: Sendable {
    private static let most = 5_000
    private static let mostNoted = 1_000
    private static let largest = 16 << 10

    private struct State {
        var kept: [[UInt8]: [[UInt8]]] = [:]
        var noted: [[UInt8]: [[UInt8]]] = [:]
    }

    private let state = Mutex(State())

    func note(_ chain: [[UInt8]]) {
        guard let own = Self.own(chain) else { return }
        state.withLock { state in
            guard state.kept[own] == nil else { return }
            state.noted.set(Array(chain.dropFirst()), for: own, most: Self.mostNoted)
        }
    }

    func keep(_ chain: [[UInt8]]) {
        guard let own = Self.own(chain) else { return }
        state.withLock { state in
            state.noted[own] = nil
            state.kept.set(Array(chain.dropFirst()), for: own, most: Self.most)
        }
    }

    /// Nil: it is not known whether there were any.
    func rest(of own: [UInt8]) -> [[UInt8]]? { state.withLock { $0.kept[own] ?? $0.noted[own] } }

    private static func own(_ chain: [[UInt8]]) -> [UInt8]? {
        chain.reduce(0) { $0 + $1.count } <= largest ? chain.first : nil
    }
}

/// Keeps up with whether any tenant has an authority.
struct ClientAuthorityWatch: Service {
    private static let pause = Duration.milliseconds(500)

    let certificates: ClientCertificates

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await certificates.refresh()
                try? await Task.sleep(for: Self.pause)
            }
        }
    }
}
