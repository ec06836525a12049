import EventStore
import Logging
import Metrics
import ServiceLifecycle
import Synchronization

/// Makes visible where the database differs from its manifest: a gauge for each severity, and a line in the log when it changes.
final class IsolationReport: Sendable {
    private let logger: Logger
    private let gauges: [(severity: IsolationFinding.Severity, gauge: Gauge)]
    private let last = Mutex<[IsolationFinding]>([])

    init(logger: Logger) {
        self.logger = logger
        gauges = IsolationFinding.Severity.allCases.map { severity in
            (severity, Gauge(label: "sluice_isolation_findings", dimensions: [("severity", severity.rawValue)]))
        }
    }

    func report(_ findings: [IsolationFinding]) {
        let hasChanged = last.withLock { last in
            defer { last = findings }
            return last != findings
        }
        for (severity, gauge) in gauges { gauge.record(findings.count { $0.severity == severity }) }
        guard hasChanged else { return }
        let unsafe = findings.count { $0.severity == .unsafe }
        let level: Logger.Level = unsafe > 0 ? .error : findings.isEmpty ? .notice : .warning
        logger.log(
            level: level,
            "What the database differs from its manifest has changed: run sluice doctor",
            metadata: ["unsafe": "\(unsafe)", "findings": "\(findings.count)", "first": "\(findings.first?.object ?? "-")"]
        )
    }
}

/// Looks also when nobody asks for `/readyz`.
struct IsolationWatch: Service {
    let probe: HealthProbe

    func run() async throws {
        let ready = Gauge(label: "sluice_ready")
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    ready.record(try await probe.trouble() == nil ? 1 : 0)
                } catch {
                    ready.record(0)
                }
                try? await Task.sleep(for: .seconds(15))
            }
        }
    }
}
