import EventStore
import Foundation
import LogLines
import Postgres
import PrometheusText

/// Numbers that are kept elsewhere, brought up to date whenever the metrics are read.
enum Vitals {
    static func register(in registry: MetricRegistry, lanes: Lanes, database: Database, log: LogQueue?) {
        registerLanes(in: registry, lanes)
        registerPool(in: registry, database)
        registerProcess(in: registry)
        let dropped = registry.counter("sluice_log_lines_dropped_total")
        registry.beforeEachText { dropped.follow(total: Int64(log?.dropped ?? 0)) }
    }

    private static func registerLanes(in registry: MetricRegistry, _ lanes: Lanes) {
        let records = registry.gauge("sluice_lane_queue_records")
        let bytes = registry.gauge("sluice_lane_queue_bytes")
        let age = registry.gauge("sluice_lane_queue_age_seconds")
        let connections = registry.gauge("sluice_lane_connections")
        let batches = registry.counter("sluice_lane_batches_total")
        let sizes = registry.histogram("sluice_lane_batch_records")
        let retries = registry.counter("sluice_lane_retries_total")
        let held = registry.counter("sluice_lane_held_records_total")
        let lost = registry.counter("sluice_lane_lost_replies_total")
        registry.beforeEachText {
            let statistics = lanes.statistics
            records.set(Int64(statistics.waitingRecords))
            bytes.set(Int64(statistics.waitingBytes))
            age.set(Double(statistics.oldestWaiting.nanoseconds) / 1e9)
            connections.set(Int64(statistics.connections))
            batches.follow(total: Int64(statistics.batches))
            sizes.follow(counts: statistics.batchSizes.counts, sum: Double(statistics.batchSizes.records))
            retries.follow(total: Int64(statistics.retries))
            held.follow(total: Int64(statistics.held))
            lost.follow(total: Int64(statistics.lostReplies))
        }
    }

    private static func registerPool(in registry: MetricRegistry, _ database: Database) {
        let states = ["idle", "leased", "connecting"].map { registry.gauge("sluice_pool_connections", [("state", $0)]) }
        let waiting = registry.gauge("sluice_pool_waiting")
        registry.beforeEachText {
            let statistics = database.statistics
            for (gauge, count) in zip(states, [statistics.idle, statistics.leased, statistics.connecting]) { gauge.set(Int64(count)) }
            waiting.set(Int64(statistics.waiting))
        }
    }

    /// The names that Prometheus' own libraries use; what a system does not tell is left at 0.
    private static func registerProcess(in registry: MetricRegistry) {
        let memory = registry.gauge("process_resident_memory_bytes")
        let open = registry.gauge("process_open_fds")
        let most = registry.gauge("process_max_fds")
        let processor = registry.counter("process_cpu_seconds_total")
        registry.gauge("process_start_time_seconds").set(Date().timeIntervalSince1970.rounded())
        registry.beforeEachText {
            memory.set(residentBytes)
            open.set(Int64((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0))
            var limit = rlimit()
            if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 { most.set(Double(limit.rlim_cur)) }
            // CLOCKS_PER_SEC is a million wherever there is POSIX.
            processor.follow(total: Int64(clock()) / 1_000_000)
        }
    }

    private static var residentBytes: Int64 {
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ").dropFirst().first
        return (pages.flatMap { Int64($0) } ?? 0) * Int64(sysconf(Int32(_SC_PAGESIZE)))
    }
}
