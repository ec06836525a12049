import Synchronization

/// What this replica knows of the installation's epoch: a number that grows with every committed change of keys, tenants, issuers,
/// sources and schemas (docs/adr/0007).
///
/// What was loaded under the epoch in force holds for as long as the epoch is known not to have changed.
package final class AccessEpoch: Sendable {
    /// After the last poll that was answered: from then on what is cached is believed for its own lifetime only, a second, and a change
    /// holds within two also when only the asking fails.
    package static let bound = Duration.milliseconds(1_500)

    private struct Reading {
        var epoch: Int64
        var askedAt: ContinuousClock.Instant
    }

    private let bound: Duration
    private let reading = Mutex<Reading?>(nil)

    package init(bound: Duration = AccessEpoch.bound) {
        self.bound = bound
    }

    /// - Parameter askedAt: before the question went out.
    package func note(_ epoch: Int64, askedAt: ContinuousClock.Instant) {
        reading.withLock { reading in
            guard reading.map({ askedAt >= $0.askedAt }) ?? true else { return }
            reading = Reading(epoch: epoch, askedAt: askedAt)
        }
    }

    /// Nil when nobody knows.
    package func current(_ now: ContinuousClock.Instant) -> Int64? {
        reading.withLock { reading in
            guard let reading, now < reading.askedAt + bound else { return nil }
            return reading.epoch
        }
    }
}
