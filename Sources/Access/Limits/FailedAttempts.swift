import Synchronization

/// Failed authentications by address: 30 at once and 30 a minute are answered as such, what comes beyond is told to wait.
///
/// It never decides about a credential that holds: a site's Macs share one address.
package final class FailedAttempts: Sendable {
    package struct Bounds: Sendable {
        package var perMinute: Int
        package var addresses: Int

        package init(perMinute: Int = 30, addresses: Int = 10_000) {
            self.perMinute = perMinute
            self.addresses = addresses
        }
    }

    private let bounds: Bounds
    private let buckets = Mutex<[IPAddress: TokenBucket]>([:])

    package init(_ bounds: Bounds = Bounds()) {
        self.bounds = bounds
    }

    /// Notes a failure. Nil: it is answered as one; else the seconds after which another may be.
    package func fail(from address: IPAddress, now: ContinuousClock.Instant) -> Int? {
        let network = address.network
        return buckets.withLock { buckets in
            if buckets.count >= bounds.addresses, buckets[network] == nil { makeRoom(&buckets, now) }
            var bucket = buckets[network] ?? TokenBucket(rate: Double(bounds.perMinute) / 60, burst: Double(bounds.perMinute), now: now)
            let isAnswered = bucket.take(now)
            let wait = isAnswered ? nil : max(1, Int(bucket.wait(now).inSeconds.rounded(.up)))
            buckets[network] = bucket
            return wait
        }
    }

    /// Whether the next failure from there would be one too many.
    package func isSuspect(_ address: IPAddress, now: ContinuousClock.Instant) -> Bool {
        buckets.withLock { $0[address.network]?.wait(now) ?? .zero > .zero }
    }

    var count: Int { buckets.withLock { $0.count } }

    /// Forgets who has not failed for a while, and others, whoever they are, until a tenth is free.
    private func makeRoom(_ buckets: inout [IPAddress: TokenBucket], _ now: ContinuousClock.Instant) {
        buckets = buckets.filter { entry in
            var bucket = entry.value
            return !bucket.isFull(now)
        }
        // Room for many, so that a full table is not gone through for every new address.
        let tooMany = buckets.count - bounds.addresses * 9 / 10
        guard tooMany > 0 else { return }
        for address in Array(buckets.keys.prefix(tooMany)) { buckets[address] = nil }
    }
}
