package import EventCore
import Synchronization

/// Keeps tenants within their limits, on this replica. Every call is synchronous and takes two short locks.
///
/// What holds at each moment (events and bytes a second, requests at once) is this replica's part of the limit; the count of a
/// month is the database's, as it said last, plus what this replica stored since then.
package final class Limiter: Sendable {
    /// A request that was let in: charge it with what it had, and release it once.
    package struct Ticket: Sendable {
        fileprivate let meter: Meter
        private let now: @Sendable () -> ContinuousClock.Instant

        fileprivate init(_ meter: Meter, now: @escaping @Sendable () -> ContinuousClock.Instant) {
            self.meter = meter
            self.now = now
        }

        /// - Parameters:
        ///   - records: received, whatever became of them.
        ///   - bytes: of the body, uncompressed.
        ///   - stored: newly accepted or quarantined.
        package func charge(records: Int, bytes: Int, stored: Int) {
            let now = now()
            meter.buckets.withLock { $0.charge(records: records, bytes: bytes, stored: stored, now: now) }
        }

        package func release() {
            meter.buckets.withLock { $0.release() }
        }
    }

    package enum Admission: Sendable {
        case admitted(Ticket)
        case refused(LimitRefusal)
    }

    /// One tenant's count of stored events in a month.
    package struct Stored: Sendable {
        package let tenant: TenantID
        package let month: CalendarMonth
        package let count: Int

        package init(tenant: TenantID, month: CalendarMonth, count: Int) {
            self.tenant = tenant
            self.month = month
            self.count = count
        }
    }

    fileprivate final class Meter: Sendable {
        let buckets: Mutex<TenantBuckets>

        init(_ buckets: TenantBuckets) {
            self.buckets = Mutex(buckets)
        }
    }

    private let replicas: Int
    private let now: @Sendable () -> ContinuousClock.Instant
    private let time: @Sendable () -> Timestamp
    private let meters = Mutex<[TenantID: Meter]>([:])

    /// - Parameter replicas: how many serve the same tenants; each takes its part of the limits.
    package init(
        replicas: Int = 1,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        time: @escaping @Sendable () -> Timestamp = { .now() }
    ) {
        precondition(replicas > 0, "at least this one")
        self.replicas = replicas
        self.now = now
        self.time = time
    }

    /// - Parameter writes: the request brings events; the limits on them hold for it too.
    package func admit(_ grant: Grant, writes: Bool) -> Admission {
        let limits = grant.limits.shared(by: replicas)
        let now = now()
        let (month, rest) = MonthClock.month(of: time())
        // Under the lock on all of them, so that no meter is forgotten between being found and being used.
        return meters.withLock { meters in
            let meter = meters[grant.tenant] ?? Meter(TenantBuckets(limits: limits, month: month, now: now))
            let refusal = meter.buckets.withLock {
                $0.admit(limits, writes: writes, month: month, untilNextMonth: rest, now: now)
            }
            meters[grant.tenant] = meter
            if let refusal { return .refused(refusal) }
            return .admitted(Ticket(meter, now: self.now))
        }
    }

    /// What was stored and not yet told to the database; tenants that use nothing are forgotten with it.
    package func takeUnsaved() -> [Stored] {
        let now = now()
        return meters.withLock { meters in
            var taken: [Stored] = []
            for (tenant, meter) in meters {
                let (unsaved, isIdle) = meter.buckets.withLock { buckets in
                    (buckets.takeUnsaved(), buckets.limits.eventsPerMonth == nil && buckets.isIdle(now))
                }
                taken += unsaved.map { Stored(tenant: tenant, month: $0.month, count: $0.count) }
                if isIdle { meters[tenant] = nil }
            }
            return taken
        }
    }

    /// What `takeUnsaved` returned could not be told.
    package func putBack(_ unsaved: [Stored]) {
        let now = now()
        let month = MonthClock.month(of: time()).month
        meters.withLock { meters in
            for entry in unsaved {
                let meter = meters[entry.tenant] ?? Meter(TenantBuckets(limits: .none, month: month, now: now))
                meter.buckets.withLock { $0.putBack(entry.month, entry.count) }
                meters[entry.tenant] = meter
            }
        }
    }

    /// What the database counts, over all replicas.
    package func note(_ stored: Stored) {
        let meter = meters.withLock { $0[stored.tenant] }
        meter?.buckets.withLock { $0.note(stored: stored.count, in: stored.month) }
    }
}
