import LogLines
import PrometheusText

/// How this process lets itself be watched: its metrics, its log, and whether it is about to close.
struct Observation: Sendable {
    let registry = MetricRegistry(MetricCatalog.all)
    let log: LogQueue
    let closing = ClosingSign()

    init(_ configuration: APIConfiguration) {
        log = LogQueue(configuration.logDestination, format: configuration.logFormat)
    }
}
