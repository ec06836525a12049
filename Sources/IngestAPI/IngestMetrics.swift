import Metrics

/// Conservation: received = accepted + duplicates + quarantined + rejected, once every request has been answered.
struct IngestMetrics: Sendable {
    private let received = Counter(label: "sluice_events_received_total")
    private let accepted = Counter(label: "sluice_events_accepted_total")
    private let duplicates = Counter(label: "sluice_events_duplicates_total")
    private let quarantined = Counter(label: "sluice_events_quarantined_total")
    /// Not stored: refused, or to be sent again.
    private let rejected = Counter(label: "sluice_events_rejected_total")

    func count(_ tally: IngestTally) {
        let stored = tally.accepted + tally.duplicates + tally.quarantined
        for (counter, count) in [
            (received, tally.received), (accepted, tally.accepted), (duplicates, tally.duplicates),
            (quarantined, tally.quarantined), (rejected, tally.received - stored),
        ] where count > 0 {
            counter.increment(by: count)
        }
    }
}
