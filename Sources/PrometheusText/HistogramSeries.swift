import CoreMetrics
import Synchronization

/// How often a value fell into each of a few fixed ranges, one of a family's series. Timers record seconds.
package final class HistogramSeries: RecorderHandler, TimerHandler {
    private final class Cell: Sendable {
        let count = Atomic<Int64>(0)
    }

    /// Upper bounds, growing; what lies above the last is counted too.
    let bounds: [Double]
    private let cells: [Cell]
    private let sum = Atomic<UInt64>(0)

    init(bounds: [Double]) {
        self.bounds = bounds
        cells = (0...bounds.count).map { _ in Cell() }
    }

    package func record(_ value: Int64) { record(Double(value)) }

    /// What is no number is not counted: it would spoil the sum for good.
    package func record(_ value: Double) {
        guard value.isFinite else { return }
        var place = 0
        while place < bounds.count, value > bounds[place] { place += 1 }
        cells[place].count.wrappingAdd(1, ordering: .relaxed)
        sum.add(value)
    }

    package func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    /// Takes over counts that are kept elsewhere; they never go back.
    ///
    /// - Parameter counts: of each range, one more than there are bounds.
    package func follow(counts: [Int64], sum total: Double) {
        guard counts.count == cells.count else { return }
        for (cell, count) in zip(cells, counts) { cell.count.max(count, ordering: .relaxed) }
        sum.store(total.bitPattern, ordering: .relaxed)
    }

    /// The ranges' counts, each with all below it, and the sum. While values come in, the sum may be one ahead or behind.
    var snapshot: (cumulative: [Int64], sum: Double) {
        var total: Int64 = 0
        let cumulative = cells.map { cell in
            total += cell.count.load(ordering: .relaxed)
            return total
        }
        return (cumulative, Double(bitPattern: sum.load(ordering: .relaxed)))
    }
}
