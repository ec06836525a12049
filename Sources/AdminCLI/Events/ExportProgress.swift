import EventCore

/// How far an export is, by the times of its events.
struct ExportProgress {
    private var line = ProgressLine()
    private let started = ContinuousClock.now
    private let to: Timestamp
    private var from: Timestamp?

    init(to: Timestamp) {
        self.to = min(to, .now())
    }

    mutating func show(rows: Int, bytes: Int, at time: Timestamp?) {
        guard let time else { return }
        // Where the first page ended: what lies before it is no part of the way.
        let begun = from ?? time
        from = begun
        let seconds = Self.seconds(ContinuousClock.now - started)
        let share = Self.share(time, of: begun, to)
        line.show(
            "\(Self.bar(share)) \(rows) rows, \(Int(Double(rows) / max(seconds, 0.001)))/s, \(bytes / 1_000_000) MB, \(Int(share * 100)) %"
                + (share > 0.01 ? ", about \(Int(seconds / share - seconds)) s left" : "")
        )
    }

    mutating func end() {
        line.end()
    }

    private static func bar(_ share: Double) -> String {
        let width = 20
        let done = Int(share * Double(width))
        return "[" + String(repeating: "#", count: done) + String(repeating: "-", count: width - done) + "]"
    }

    private static func share(_ time: Timestamp, of from: Timestamp, _ to: Timestamp) -> Double {
        let whole = Double(to.microsecondsSince1970) - Double(from.microsecondsSince1970)
        guard whole > 0 else { return 1 }
        return min(max((Double(time.microsecondsSince1970) - Double(from.microsecondsSince1970)) / whole, 0), 1)
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }
}
