import Synchronization

/// How many look-ups of what nobody here has heard of a replica makes: a right checksum is no secret, so made-up keys must not
/// become a flood of statements.
package final class LookupBudget: Sendable {
    /// The bounds, for each replica.
    package struct Bounds: Sendable {
        package var perSecond: Int
        package var burst: Int
        package var atOnce: Int
        /// Fewer than the pool has connections: readers need them too.
        package var suspectsAtOnce: Int

        package init(perSecond: Int = 500, burst: Int = 1000, atOnce: Int = 64, suspectsAtOnce: Int = 2) {
            self.perSecond = perSecond
            self.burst = burst
            self.atOnce = atOnce
            self.suspectsAtOnce = suspectsAtOnce
        }
    }

    /// There is no look-up to spare now: whether the key holds cannot be known.
    package struct Exhausted: Error, Sendable, CustomStringConvertible {
        package init() {}

        package var description: String { "too many look-ups of unknown keys" }
    }

    private struct State {
        var bucket: TokenBucket
        var running = 0
    }

    private let bounds: Bounds
    private let state: Mutex<State>

    package init(_ bounds: Bounds = Bounds(), now: ContinuousClock.Instant = .now) {
        self.bounds = bounds
        state = Mutex(State(bucket: TokenBucket(rate: Double(bounds.perSecond), burst: Double(bounds.burst), now: now)))
    }

    /// - Parameter isSuspect: asked for by somebody who fails too often; half of the burst and most of the look-ups at once are
    ///   out of their reach, so that a new key of somebody else's is still looked up.
    /// - Returns: whether the look-up may begin; then `finish` ends it.
    package func begin(isSuspect: Bool, now: ContinuousClock.Instant) -> Bool {
        state.withLock { state in
            guard state.running < (isSuspect ? bounds.suspectsAtOnce : bounds.atOnce) else { return false }
            guard state.bucket.take(reserve: isSuspect ? Double(bounds.burst / 2) : 0, now) else { return false }
            state.running += 1
            return true
        }
    }

    package func finish() {
        state.withLock { $0.running -= 1 }
    }
}
