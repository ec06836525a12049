/// What one tenant uses, on this replica. Pure: no lock, no clock.
///
/// Legal order for a request: `admit`; when that returns nil, `charge` any number of times and `release` once.
struct TenantBuckets: Sendable {
    /// Longer than a sender should wait without asking: the operator may have raised the limit.
    private static let longestWait = 3600

    private(set) var limits: TenantLimits
    private var events: TokenBucket?
    private var bytes: TokenBucket?
    private(set) var running = 0
    private var month: CalendarMonth
    /// What all replicas have stored this month, as the database said last.
    private var storedElsewhere = 0
    /// Not yet told to the database, by month.
    private var unsaved: [CalendarMonth: Int] = [:]

    init(limits: TenantLimits, month: CalendarMonth, now: ContinuousClock.Instant) {
        self.limits = limits
        self.month = month
        apply(limits, now)
    }

    /// Lets a request in unless its tenant has used up something; then says what.
    mutating func admit(
        _ limits: TenantLimits,
        writes: Bool,
        month: CalendarMonth,
        untilNextMonth: Duration,
        now: ContinuousClock.Instant
    ) -> LimitRefusal? {
        if limits != self.limits { apply(limits, now) }
        enter(month)
        if let most = limits.concurrentRequests, running >= most {
            return LimitRefusal(limit: .concurrentRequests, quota: most, retryAfter: 1, window: nil)
        }
        if writes {
            if let most = limits.eventsPerMonth, storedElsewhere + unsaved[month, default: 0] >= most {
                let wait = min(Self.longestWait, Int(untilNextMonth.inSeconds.rounded(.up)))
                return LimitRefusal(limit: .eventsPerMonth, quota: most, retryAfter: max(1, wait), window: .seconds(2_592_000))
            }
            if let wait = events?.wait(now), wait > .zero { return Self.refusal(.eventsPerSecond, limits.eventsPerSecond, wait) }
            if let wait = bytes?.wait(now), wait > .zero { return Self.refusal(.bytesPerSecond, limits.bytesPerSecond, wait) }
        }
        running += 1
        return nil
    }

    /// What a request really had and what of it is stored now.
    mutating func charge(records: Int, bytes count: Int, stored: Int, now: ContinuousClock.Instant) {
        events?.charge(records, now)
        bytes?.charge(count, now)
        if stored > 0 { unsaved[month, default: 0] += stored }
    }

    mutating func release() {
        precondition(running > 0, "a request is released once")
        running -= 1
    }

    /// What the database must be told, if anything; nil when nothing here depends on it.
    mutating func takeUnsaved() -> [(month: CalendarMonth, count: Int)] {
        var taken = unsaved.map { (month: $0.key, count: $0.value) }
        unsaved.removeAll()
        // Under a limit for the month the count of the others matters also when this replica stored nothing.
        if limits.eventsPerMonth != nil, !taken.contains(where: { $0.month == month }) { taken.append((month, 0)) }
        for entry in taken where entry.month == month { storedElsewhere += entry.count }
        return taken
    }

    /// The database did not take it: counts again as not yet told.
    mutating func putBack(_ month: CalendarMonth, _ count: Int) {
        if count > 0 { unsaved[month, default: 0] += count }
        if month == self.month { storedElsewhere -= count }
    }

    mutating func note(stored count: Int, in month: CalendarMonth) {
        if month == self.month { storedElsewhere = count }
    }

    /// Nothing is lost when this is forgotten.
    mutating func isIdle(_ now: ContinuousClock.Instant) -> Bool {
        running == 0 && unsaved.isEmpty && (events?.isFull(now) ?? true) && (bytes?.isFull(now) ?? true)
    }

    private mutating func enter(_ month: CalendarMonth) {
        guard month != self.month else { return }
        self.month = month
        storedElsewhere = 0
    }

    private mutating func apply(_ limits: TenantLimits, _ now: ContinuousClock.Instant) {
        self.limits = limits
        Self.set(&events, limits.eventsPerSecond, now)
        Self.set(&bytes, limits.bytesPerSecond, now)
    }

    /// One second's worth may come at once.
    private static func set(_ bucket: inout TokenBucket?, _ rate: Int?, _ now: ContinuousClock.Instant) {
        guard let rate = rate.map(Double.init) else { return bucket = nil }
        if bucket == nil { bucket = TokenBucket(rate: rate, burst: rate, now: now) }
        bucket?.set(rate: rate, burst: rate, now)
    }

    private static func refusal(_ name: TenantLimits.Name, _ quota: Int?, _ wait: Duration) -> LimitRefusal {
        LimitRefusal(limit: name, quota: quota ?? 0, retryAfter: max(1, Int(wait.inSeconds.rounded(.up))), window: .seconds(1))
    }
}
