import EventCore
import EventStore
import Logging
import PrometheusText
import ServiceLifecycle
import Synchronization

/// Twice a minute: tells the database which sources were heard of, and asks it for the figures that only it knows.
struct FiguresWatch: Service {
    private static let names: [OperationsFigure.Kind: String] = [
        .monthsAhead: "sluice_partition_months_ahead", .quarantineBytes: "sluice_quarantine_bytes",
        .sourceLastRequest: "sluice_source_last_request_timestamp_seconds", .sourceUsualGap: "sluice_source_usual_gap_seconds",
        .sourceQuiet: "sluice_source_quiet", .taskStarted: "sluice_maintenance_last_start_timestamp_seconds",
        .taskSucceeded: "sluice_maintenance_last_success_timestamp_seconds", .taskSeconds: "sluice_maintenance_last_duration_seconds",
        .taskFailed: "sluice_maintenance_failed",
    ]

    let installation: Installation
    let activity: SenderActivity
    let registry: MetricRegistry
    let logger: Logger
    let pause: Duration

    func run() async throws {
        let age = registry.gauge("sluice_figures_age_seconds")
        let watch = AskedAt(.now)
        registry.beforeEachText { age.set(Double(watch.value.duration(to: .now).nanoseconds) / 1e9) }
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await installation.note(activity.take(), deadline: .now + .seconds(5))
                    publish(try await installation.figures(deadline: .now + .seconds(5)))
                    watch.value = .now
                } catch {
                    // /readyz says it aloud; what was heard meanwhile comes with the next time.
                    logger.debug("Figures could not be asked for", metadata: ["error": "\(ProblemMiddleware.loggable(error))"])
                }
                try? await Task.sleep(for: pause)
            }
            // What was heard last is not lost with a restart.
            try? await installation.note(activity.take(), deadline: .now + .seconds(1))
        }
    }

    private func publish(_ figures: [OperationsFigure]) {
        // What is gone must not stay at its last value.
        for name in Self.names.values { registry.forget(name) }
        for figure in figures {
            guard let name = Self.names[figure.kind] else { continue }
            var labels: [(String, String)] = []
            if let tenant = figure.tenant { labels.append(("tenant", tenant)) }
            if let source = figure.source { labels.append(("source", source)) }
            if let task = figure.task { labels.append(("task", task)) }
            registry.gauge(name, labels).set(figure.value)
        }
    }
}

/// An instant that a thread sets and others read.
private final class AskedAt: Sendable {
    private let state: Mutex<ContinuousClock.Instant>

    init(_ value: ContinuousClock.Instant) {
        state = Mutex(value)
    }

    var value: ContinuousClock.Instant {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}
