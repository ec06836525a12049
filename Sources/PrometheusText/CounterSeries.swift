import CoreMetrics
import Synchronization

/// A number that only grows, one of a family's series.
package final class CounterSeries: CounterHandler {
    private let count = Atomic<Int64>(0)

    init() {}

    /// Negative amounts are no counter's business, and are ignored.
    package func increment(by amount: Int64) {
        guard amount > 0 else { return }
        count.wrappingAdd(amount, ordering: .relaxed)
    }

    /// Takes over a total that is counted elsewhere; it never goes back.
    package func follow(total: Int64) {
        count.max(total, ordering: .relaxed)
    }

    /// Nobody's to reset: whoever scrapes reads a fall as a restart.
    package func reset() {}

    var value: Int64 { count.load(ordering: .relaxed) }
}
