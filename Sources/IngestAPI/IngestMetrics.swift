import Access
import EventCore
import EventStore
import Metrics

/// Conservation: received = accepted + duplicates + quarantined + rejected, in all and for each tenant, once every request has been
/// answered. Tenants have counters of their own up to a number; those that come later share one.
final class IngestMetrics: Sendable {
    static let maximumTenants = 200

    private let tenants = SlotTable<TenantID, TenantCounters>(maximum: maximumTenants)
    private let others = TenantCounters("other")
    let activity = SenderActivity()

    func count(_ tally: IngestTally, of grant: Grant, from source: Source, at time: Timestamp) {
        if tally.received > 0 { activity.hear(source, at: time) }
        let counters = tenants.value(for: grant.tenant) { TenantCounters(grant.tenantSlug) } ?? others
        counters.count(tally)
    }
}

private final class TenantCounters: Sendable {
    private let received: Counter
    private let accepted: Counter
    private let duplicates: Counter
    private let quarantined: Counter
    /// Not stored: refused, or to be sent again.
    private let rejected: Counter

    init(_ tenant: String) {
        func counter(_ what: String) -> Counter { Counter(label: "sluice_events_\(what)_total", dimensions: [("tenant", tenant)]) }
        received = counter("received")
        accepted = counter("accepted")
        duplicates = counter("duplicates")
        quarantined = counter("quarantined")
        rejected = counter("rejected")
    }

    func count(_ tally: IngestTally) {
        let stored = tally.accepted + tally.duplicates + tally.quarantined
        Self.add(tally.received, to: received)
        Self.add(tally.accepted, to: accepted)
        Self.add(tally.duplicates, to: duplicates)
        Self.add(tally.quarantined, to: quarantined)
        Self.add(tally.received - stored, to: rejected)
    }

    private static func add(_ count: Int, to counter: Counter) {
        if count > 0 { counter.increment(by: count) }
    }
}
