package import CoreMetrics
import Synchronization

/// Every metric of this process, written out as Prometheus reads it.
///
/// A family has one kind and one set of label names, which its first series gives. It holds a bounded number of series: what comes
/// beyond is counted in one whose labels all read `other`, so that sums stay right. Making a series takes a lock and is for
/// beginnings; keep what is returned, whose own work is an atomic addition.
package final class MetricRegistry: MetricsFactory {
    /// For times in seconds.
    package static let defaultBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    static let other = "other"

    enum Series {
        case counter(CounterSeries)
        case gauge(GaugeSeries)
        case histogram(HistogramSeries)

        var kind: String {
            switch self {
            case .counter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        }
    }

    struct Family {
        let kind: String
        let labels: [String]
        /// By their labels' values.
        var series: [[String]: Series] = [:]
    }

    private let descriptions: [String: MetricDescription]
    private let maximumSeries: Int
    private let families = Mutex<[String: Family]>([:])
    private let collectors = Mutex<[@Sendable () -> Void]>([])

    /// - Parameter maximumSeries: of one family, the one for all others not counted.
    package init(_ descriptions: [MetricDescription] = [], maximumSeries: Int = 2_000) {
        self.descriptions = Dictionary(descriptions.map { ($0.name, $0) }) { first, _ in first }
        self.maximumSeries = maximumSeries
    }

    /// Called before each text is written, to bring numbers up to date that are kept elsewhere; must not wait for anything.
    package func beforeEachText(_ collect: @escaping @Sendable () -> Void) {
        collectors.withLock { $0.append(collect) }
    }

    package func counter(_ name: String, _ labels: [(String, String)] = []) -> CounterSeries {
        let made = series(name, labels) { _ in .counter(CounterSeries()) }
        if case .counter(let counter) = made { return counter }
        return CounterSeries()
    }

    package func gauge(_ name: String, _ labels: [(String, String)] = []) -> GaugeSeries {
        let made = series(name, labels) { _ in .gauge(GaugeSeries()) }
        if case .gauge(let gauge) = made { return gauge }
        return GaugeSeries()
    }

    package func histogram(_ name: String, _ labels: [(String, String)] = []) -> HistogramSeries {
        let made = series(name, labels) { .histogram(HistogramSeries(bounds: $0)) }
        if case .histogram(let histogram) = made { return histogram }
        return HistogramSeries(bounds: Self.defaultBounds)
    }

    /// Forgets all series of a gauge's family, so that what is gone does not stay at its last value.
    package func forget(_ name: String) {
        families.withLock { _ = $0.removeValue(forKey: MetricName.metric(name)) }
    }

    /// All families by name, in text format 0.0.4.
    package func text() -> String {
        for collect in collectors.withLock({ $0 }) { collect() }
        let families = families.withLock { $0 }
        var writer = TextWriter()
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            writer.write(name, family, help: descriptions[name]?.help ?? name.split(separator: "_").joined(separator: " "))
        }
        return writer.text
    }

    /// The series of these labels. What does not fit the family (another kind, other labels) is nil, and shown nowhere: two uses of
    /// one name are a mistake of ours that must not stop anything.
    private func series(_ name: String, _ labels: [(String, String)], _ make: ([Double]) -> Series) -> Series? {
        let name = MetricName.metric(name)
        let labels = labels.map { (MetricName.label($0.0), $0.1) }.sorted { $0.0 < $1.0 }
        let new = make(descriptions[name]?.bounds ?? Self.defaultBounds)
        return families.withLock { families in
            var family = families[name] ?? Family(kind: new.kind, labels: labels.map(\.0))
            guard family.kind == new.kind, family.labels == labels.map(\.0) else { return nil }
            var values = labels.map(\.1)
            if let known = family.series[values] { return known }
            if family.series.count >= maximumSeries {
                values = values.map { _ in Self.other }
                if let known = family.series[values] { return known }
            }
            family.series[values] = new
            families[name] = family
            return new
        }
    }
}

extension MetricRegistry {
    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler { counter(label, dimensions) }
    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler { gauge(label, dimensions) }

    package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        aggregate ? histogram(label, dimensions) : gauge(label, dimensions)
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler { histogram(label, dimensions) }

    // What was counted stays: a series that comes and goes loses increments between two scrapes.
    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyMeter(_ handler: any MeterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}
}
