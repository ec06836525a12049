import Logging
import Metrics
import PrometheusText
import Synchronization

/// The certificate that new connections are answered with. It is read again when its files have changed; one that does not work is
/// refused, and the one before stays.
final class ServerCertificate: Sendable {
    private struct State {
        var pair: TLSPair
        /// Of the files that were read last, whatever came of it.
        var read: TLSFiles.Stamp
        /// Seen changed at the last look, and perhaps still being written.
        var changed: TLSFiles.Stamp?
        var forgotten: ContinuousClock.Instant?
    }

    private let files: TLSFiles
    private let logger: Logger
    private let state: Mutex<State>
    private let loads = Counter(label: "sluice_tls_certificate_loads_total", dimensions: [("outcome", "loaded")])
    private let refusals = Counter(label: "sluice_tls_certificate_loads_total", dimensions: [("outcome", "refused")])

    /// - Throws: `TLSPair.Unusable`.
    init(_ files: TLSFiles, logger: Logger) throws(TLSPair.Unusable) {
        self.files = files
        self.logger = logger
        let stamp = files.stamp
        let pair = try TLSPair(files)
        state = Mutex(State(pair: pair, read: stamp))
        Self.tell(pair, logger)
        loads.increment()
    }

    var current: TLSPair { state.withLock { $0.pair } }

    func register(in registry: MetricRegistry) {
        let expires = registry.gauge("sluice_tls_certificate_expires_timestamp_seconds")
        registry.beforeEachText { expires.set(Double(self.current.expires)) }
    }

    /// Has sessions that were begun before resumed no more, at most every ten seconds.
    func forgetSessions() {
        let now = ContinuousClock.now
        state.withLock { state in
            guard state.forgotten.map({ now > $0 + .seconds(10) }) ?? true else { return }
            state.forgotten = now
            state.pair.forgetSessions()
        }
    }

    /// Reads the files again once they have changed and then stayed the same from one look to the next: two files are not written in
    /// one moment.
    func look() {
        let stamp = files.stamp
        let isDue = state.withLock { state in
            if stamp == state.read {
                state.changed = nil
                return false
            }
            defer { state.changed = stamp }
            return state.changed == stamp
        }
        if isDue { reload() }
    }

    /// Reads the files now.
    func reload() {
        let stamp = files.stamp
        do {
            let pair = try TLSPair(files)
            state.withLock { $0 = State(pair: pair, read: stamp) }
            loads.increment()
            logger.notice("The TLS certificate was read again: new connections are answered with it")
            Self.tell(pair, logger)
        } catch {
            state.withLock { state in
                state.read = stamp
                state.changed = nil
            }
            refusals.increment()
            logger.error("The new TLS certificate does not work: the one before stays", metadata: ["error": "\(error)"])
        }
    }

    private static func tell(_ pair: TLSPair, _ logger: Logger) {
        for warning in pair.warnings { logger.warning("The TLS certificate works, but", metadata: ["warning": "\(warning)"]) }
    }
}
