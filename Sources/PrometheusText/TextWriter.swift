/// Prometheus' text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/).
struct TextWriter {
    private(set) var text = ""

    mutating func write(_ name: String, _ family: MetricRegistry.Family, help: String) {
        text += "# HELP \(name) \(Self.escaped(help, quotes: false))\n# TYPE \(name) \(family.kind)\n"
        for (values, series) in family.series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            let labels = zip(family.labels, values).map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }
            switch series {
            case .counter(let counter): line(name, labels, String(counter.value))
            case .gauge(let gauge): line(name, labels, Self.number(gauge.value))
            case .histogram(let histogram): write(name, labels, histogram)
            }
        }
    }

    private mutating func write(_ name: String, _ labels: [String], _ histogram: HistogramSeries) {
        let (cumulative, sum) = histogram.snapshot
        for (bound, count) in zip(histogram.bounds, cumulative) {
            line("\(name)_bucket", labels + ["le=\"\(Self.number(bound))\""], String(count))
        }
        let count = String(cumulative.last ?? 0)
        line("\(name)_bucket", labels + ["le=\"+Inf\""], count)
        line("\(name)_sum", labels, Self.number(sum))
        line("\(name)_count", labels, count)
    }

    private mutating func line(_ name: String, _ labels: [String], _ value: String) {
        text += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels.joined(separator: ","))} \(value)\n"
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return String(value)
    }

    /// Backslash and line feed; in a label's value the quotation mark too.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): escaped += Array("\\\\".utf8)
            case UInt8(ascii: "\n"): escaped += Array("\\n".utf8)
            case UInt8(ascii: "\"") where quotes: escaped += Array("\\\"".utf8)
            default: escaped.append(byte)
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }
}
