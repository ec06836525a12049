import CoreMetrics
import Foundation
import PrometheusText
import Testing

@Suite struct MetricRegistryTests {
    private let registry = MetricRegistry(
        [
            MetricDescription("things_total", "Things, with a \\ and a\nline feed."),
            MetricDescription("wait_seconds", "How long.", bounds: [0.1, 1]),
        ],
        maximumSeries: 3
    )

    @Test func writesACounterWithItsHelpAndType() {
        registry.counter("things_total", [("kind", "a"), ("colour", "red")]).increment(by: 2)
        registry.counter("things_total", [("colour", "red"), ("kind", "a")]).increment(by: 3)
        #expect(
            registry.text() == #"""
                # HELP things_total Things, with a \\ and a\nline feed.
                # TYPE things_total counter
                things_total{colour="red",kind="a"} 5

                """#
        )
    }

    @Test func letsNoLabelForgeALine() {
        registry.counter("things_total", [("kind", "a\"} 9\nforged 1\\")]).increment(by: 1)
        #expect(registry.text().split(separator: "\n").last == #"things_total{kind="a\"} 9\nforged 1\\"} 1"#)
    }

    @Test func writesNamesThatPrometheusTakes() {
        registry.counter("1 bad-näme", [("a b", "c")]).increment(by: 1)
        #expect(registry.text().contains("\n_1_bad_n__me{a_b=\"c\"} 1\n"))
    }

    @Test func countsIntoRangesThatHoldAllBelowThem() {
        let timer = registry.histogram("wait_seconds")
        timer.recordNanoseconds(50_000_000)
        timer.recordNanoseconds(100_000_000)
        timer.recordNanoseconds(500_000_000)
        timer.record(7.25)
        timer.record(.nan)
        timer.record(.infinity)
        #expect(
            registry.text() == """
                # HELP wait_seconds How long.
                # TYPE wait_seconds histogram
                wait_seconds_bucket{le="0.1"} 2
                wait_seconds_bucket{le="1"} 3
                wait_seconds_bucket{le="+Inf"} 4
                wait_seconds_sum 7.9
                wait_seconds_count 4

                """
        )
    }

    @Test func keepsTheSumWhenAFamilyHasTooManySeries() {
        for number in 0..<10 { registry.counter("things_total", [("tenant", "t\(number)")]).increment(by: 1) }
        let lines = registry.text().split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(lines.count == 4)
        #expect(lines.contains("things_total{tenant=\"other\"} 7"))
    }

    @Test func ignoresASecondUseOfANameForSomethingElse() {
        registry.counter("things_total").increment(by: 1)
        registry.gauge("things_total").set(Int64(9))
        registry.counter("things_total", [("a", "b")]).increment(by: 4)
        #expect(registry.text().hasSuffix("\nthings_total 1\n"))
    }

    @Test func neverTakesACounterBack() {
        let counter = registry.counter("things_total")
        counter.follow(total: 5)
        counter.follow(total: 3)
        counter.increment(by: -2)
        counter.reset()
        #expect(registry.text().hasSuffix("\nthings_total 5\n"))
    }

    @Test func bringsNumbersUpToDateBeforeEachText() {
        let gauge = registry.gauge("level")
        registry.beforeEachText { gauge.increment(by: 1.5) }
        _ = registry.text()
        #expect(registry.text().hasSuffix("\nlevel 3\n"))
        registry.forget("level")
        #expect(registry.text().isEmpty)
    }

    @Test func losesNothingUnderManyThreads() async {
        let registry = registry
        let counter = registry.counter("things_total")
        let timer = registry.histogram("wait_seconds")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<10_000 {
                        counter.increment(by: 1)
                        timer.record(0.5)
                    }
                }
            }
        }
        let text = registry.text()
        #expect(text.contains("\nthings_total 80000\n") && text.contains("\nwait_seconds_count 80000\n"))
        #expect(text.contains("\nwait_seconds_sum 40000\n"))
    }

    /// What other libraries record through swift-metrics is of the same kinds.
    @Test func servesAsTheFactoryOfSwiftMetrics() {
        Counter(label: "c_total", dimensions: [], factory: registry).increment(by: 2)
        Gauge(label: "g", dimensions: [("a", "b")], factory: registry).record(1.5)
        Meter(label: "m", dimensions: [], factory: registry).set(4)
        CoreMetrics.Timer(label: "t_seconds", dimensions: [], factory: registry).recordMilliseconds(2)
        Recorder(label: "r", dimensions: [], aggregate: true, factory: registry).record(3)
        let text = registry.text()
        for line in ["c_total 2", "g{a=\"b\"} 1.5", "m 4", "t_seconds_sum 0.002", "r_bucket{le=\"5\"} 1"] {
            #expect(text.contains("\n\(line)\n"), "\(line) in \(text)")
        }
    }
}
