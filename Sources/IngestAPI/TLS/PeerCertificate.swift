import Access
import EventCore
import Synchronization

/// What a connection's other end has shown of itself in its handshake, and what was found out about it.
final class PeerCertificate: Sendable {
    private struct State {
        /// DER, the sender's own certificate first; empty: it has shown none.
        var chain: [[UInt8]] = []
        var isWhole = true
        var verdict: CertificateVerdict?
        /// Which authorities it was judged by.
        var judges: ClientAuthorities?
    }

    /// Of the connection whose requests this task answers. Nil: it was not asked for a certificate.
    @TaskLocal static var ofThisConnection: PeerCertificate?

    private let state = Mutex(State())

    var chain: [[UInt8]] { state.withLock { $0.chain } }
    var isShown: Bool { state.withLock { !$0.chain.isEmpty } }

    /// False for a resumed session's of which only the sender's own certificate is known.
    var isWhole: Bool { state.withLock { $0.isWhole } }

    /// In the handshake, once.
    func show(_ chain: [[UInt8]], isWhole: Bool = true) {
        state.withLock { ($0.chain, $0.isWhole) = (chain, isWhole) }
    }

    /// What was found out under these authorities, as long as it holds.
    func verdict(by authorities: ClientAuthorities, now: Timestamp) -> CertificateVerdict? {
        state.withLock { state in
            guard state.judges === authorities, let verdict = state.verdict, now < verdict.until else { return nil }
            return verdict
        }
    }

    func keep(_ verdict: CertificateVerdict, by authorities: ClientAuthorities) {
        state.withLock { state in
            state.verdict = verdict
            state.judges = authorities
        }
    }
}
