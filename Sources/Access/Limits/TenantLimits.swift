/// What a tenant may use; nil is without limit.
package struct TenantLimits: Sendable, Hashable {
    package var eventsPerSecond: Int?
    package var bytesPerSecond: Int?
    /// Stored events, accepted and quarantined, in a UTC month.
    package var eventsPerMonth: Int?
    package var concurrentRequests: Int?
    /// Kept by the database itself; nil is 1 GiB.
    package var quarantineBytes: Int?

    package static let none = TenantLimits()

    package init(
        eventsPerSecond: Int? = nil,
        bytesPerSecond: Int? = nil,
        eventsPerMonth: Int? = nil,
        concurrentRequests: Int? = nil,
        quarantineBytes: Int? = nil
    ) {
        self.eventsPerSecond = eventsPerSecond
        self.bytesPerSecond = bytesPerSecond
        self.eventsPerMonth = eventsPerMonth
        self.concurrentRequests = concurrentRequests
        self.quarantineBytes = quarantineBytes
    }

    /// One replica's part of what holds at each moment; what holds for a month is counted over all of them.
    func shared(by replicas: Int) -> TenantLimits {
        guard replicas > 1 else { return self }
        let part: (Int?) -> Int? = { $0.map { max(1, $0 / replicas) } }
        var shared = self
        shared.eventsPerSecond = part(eventsPerSecond)
        shared.bytesPerSecond = part(bytesPerSecond)
        shared.concurrentRequests = part(concurrentRequests)
        return shared
    }
}

extension TenantLimits {
    /// The limits by the names that operators and the database use.
    package enum Name: String, CaseIterable, Sendable {
        case eventsPerSecond = "events_per_second"
        case bytesPerSecond = "bytes_per_second"
        case eventsPerMonth = "events_per_month"
        case concurrentRequests = "concurrent_requests"
        case quarantineBytes = "quarantine_bytes"
    }

    /// The largest number a limit may be; a smaller one than 1 would be a suspension by another name.
    package static let allowed = 1...999_999_999_999_999

    package subscript(name: Name) -> Int? {
        get {
            switch name {
            case .eventsPerSecond: eventsPerSecond
            case .bytesPerSecond: bytesPerSecond
            case .eventsPerMonth: eventsPerMonth
            case .concurrentRequests: concurrentRequests
            case .quarantineBytes: quarantineBytes
            }
        }
        set {
            switch name {
            case .eventsPerSecond: eventsPerSecond = newValue
            case .bytesPerSecond: bytesPerSecond = newValue
            case .eventsPerMonth: eventsPerMonth = newValue
            case .concurrentRequests: concurrentRequests = newValue
            case .quarantineBytes: quarantineBytes = newValue
            }
        }
    }
}
