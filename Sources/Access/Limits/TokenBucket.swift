/// Tokens that come at a steady rate and are spent; there may be a debt.
///
/// Whoever finds it not empty may go on, and is charged afterwards with what it really took: so one large body is let
/// through, and what comes after it waits until the rate has paid for it. Pure: the caller says what time it is.
struct TokenBucket: Sendable {
    private(set) var rate: Double
    private(set) var burst: Double
    private var tokens: Double
    private var updatedAt: ContinuousClock.Instant

    /// - Parameters:
    ///   - rate: tokens a second.
    ///   - burst: the most it holds; it begins full.
    init(rate: Double, burst: Double, now: ContinuousClock.Instant) {
        self.rate = rate
        self.burst = burst
        tokens = burst
        updatedAt = now
    }

    /// What is in it; negative in debt.
    mutating func level(_ now: ContinuousClock.Instant) -> Double {
        refill(now)
        return tokens
    }

    mutating func isFull(_ now: ContinuousClock.Instant) -> Bool { level(now) >= burst }

    /// Takes tokens whether they are there or not.
    mutating func charge(_ count: Int, _ now: ContinuousClock.Instant) {
        refill(now)
        tokens -= Double(count)
    }

    /// Takes one token unless fewer than that would remain above `reserve`.
    mutating func take(reserve: Double = 0, _ now: ContinuousClock.Instant) -> Bool {
        refill(now)
        guard tokens >= reserve + 1 else { return false }
        tokens -= 1
        return true
    }

    /// How long until one token is there; zero when it is.
    mutating func wait(_ now: ContinuousClock.Instant) -> Duration {
        let missing = 1 - level(now)
        guard missing > 0 else { return .zero }
        return .seconds(min(missing / rate, 86_400))
    }

    /// Changes what comes and what is held; the debt stays.
    mutating func set(rate: Double, burst: Double, _ now: ContinuousClock.Instant) {
        guard rate != self.rate || burst != self.burst else { return }
        refill(now)
        self.rate = rate
        self.burst = burst
        tokens = min(tokens, burst)
    }

    private mutating func refill(_ now: ContinuousClock.Instant) {
        guard now > updatedAt else { return }
        tokens = min(burst, tokens + rate * (now - updatedAt).inSeconds)
        updatedAt = now
    }
}

extension Duration {
    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}
