import EventStore
import PrometheusText

/// Every metric of this server, with what it means; docs/operations.md says what to do about it.
enum MetricCatalog {
    static let all = ingest + tls + lanes + database + process

    private static let ingest = [
        MetricDescription(
            "sluice_events_received_total",
            "Records that were read from requests: the sum of the four others, once they are answered."
        ),
        MetricDescription("sluice_events_accepted_total", "Records that were stored as events and committed."),
        MetricDescription("sluice_events_duplicates_total", "Records that were stored already."),
        MetricDescription("sluice_events_quarantined_total", "Records that were kept in quarantine."),
        MetricDescription("sluice_events_rejected_total", "Records that were not stored: refused, or to be sent again."),
        MetricDescription(
            "sluice_requests_total",
            "Requests by route and class of status; closed: the connection was closed without an answer."
        ),
        MetricDescription("sluice_request_duration_seconds", "From a request's head to its answer."),
        MetricDescription("sluice_log_lines_dropped_total", "Lines that nobody took in time."),
    ]

    private static let tls = [
        MetricDescription(
            "sluice_tls_certificate_expires_timestamp_seconds",
            "When the certificate expires that new connections are answered with; absent without TLS."
        ),
        MetricDescription(
            "sluice_tls_certificate_loads_total",
            "How often the files of TLS_CERT and TLS_KEY were read, and whether they were taken."
        ),
        MetricDescription("sluice_tls_handshakes_total", "TLS handshakes by what became of them; late: not done within REQUEST_DEADLINE."),
    ]

    private static let lanes = [
        MetricDescription("sluice_lane_queue_records", "Records of requests that are not answered yet."),
        MetricDescription("sluice_lane_queue_bytes", "Their size."),
        MetricDescription("sluice_lane_queue_age_seconds", "How long the oldest of them has been waiting."),
        MetricDescription("sluice_lane_connections", "Lanes that are connected to PostgreSQL."),
        MetricDescription("sluice_lane_batches_total", "Batches that lanes took."),
        MetricDescription("sluice_lane_batch_records", "Records in a batch.", bounds: LaneStatistics.BatchSizes.bounds.map(Double.init)),
        MetricDescription("sluice_lane_retries_total", "Transactions that were tried again: deadlocks, lost connections."),
        MetricDescription("sluice_lane_held_records_total", "Records turned away because another transaction held their row."),
        MetricDescription("sluice_lane_lost_replies_total", "COMMITs whose reply was lost."),
    ]

    private static let database = [
        MetricDescription("sluice_pool_connections", "Connections that read, by what they do."),
        MetricDescription("sluice_pool_waiting", "Requests that wait for a connection."),
        MetricDescription("sluice_ready", "1 while the database is fit for traffic, looked at every 15 s."),
        MetricDescription("sluice_database_probes_total", "How often the database was asked how it is, for all that ask for health."),
        MetricDescription("sluice_isolation_findings", "Where the database differs from its manifest: see sluice doctor."),
        MetricDescription(
            "sluice_partition_months_ahead",
            "Months after this one that have partitions without a gap; below 1 events may be delayed."
        ),
        MetricDescription("sluice_quarantine_bytes", "What waits in quarantine, by tenant: the largest, the rest together."),
        MetricDescription("sluice_source_last_request_timestamp_seconds", "When a source last sent a record."),
        MetricDescription("sluice_source_usual_gap_seconds", "Between two requests of a source, lately."),
        MetricDescription("sluice_source_quiet", "1 when a source is silent for longer than it ever was lately."),
        MetricDescription("sluice_maintenance_last_start_timestamp_seconds", "When a task of sluice maintain was last begun."),
        MetricDescription(
            "sluice_maintenance_last_success_timestamp_seconds",
            "When the last run of a task that came to a good end was begun; of backup: the last backup."
        ),
        MetricDescription("sluice_maintenance_last_duration_seconds", "How long its last run took."),
        MetricDescription("sluice_maintenance_failed", "1 when its last run failed."),
        MetricDescription("sluice_figures_age_seconds", "Since the database was last asked for the figures above."),
    ]

    private static let process = [
        MetricDescription("process_resident_memory_bytes", "Resident memory size in bytes."),
        MetricDescription("process_open_fds", "Number of open file descriptors."),
        MetricDescription("process_max_fds", "Maximum number of open file descriptors."),
        MetricDescription("process_cpu_seconds_total", "Total user and system CPU time spent, in whole seconds."),
        MetricDescription("process_start_time_seconds", "Start time of the process since the Unix epoch, in seconds."),
    ]
}
