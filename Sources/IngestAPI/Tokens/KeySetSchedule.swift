/// When one issuer's key set is fetched. A value without a clock: whoever asks says what time it is.
///
/// A set is used for ten minutes, then refreshed by the way; when that fails it is used for a day, for a provider that is away must not
/// stop its tenants. A token with an unknown key asks for a refresh at most once a minute, so forged ones cannot make us a nuisance.
struct KeySetSchedule: Sendable {
    enum Step: Equatable, Sendable {
        /// The set is good for this token, or as good as it can be known: a key that is not in it is nobody's.
        case use
        case useAndRefresh
        /// Nothing can be said before the fetch is over.
        case fetchFirst
        /// It failed a moment ago: nothing can be said now.
        case unavailable
    }

    static let freshFor = Duration.seconds(600)
    static let usableFor = Duration.seconds(86_400)
    static let pause = Duration.seconds(60)
    /// While there is no set at all.
    static let firstPause = Duration.seconds(5)

    /// When the fetch of the set that is there began.
    private var setFrom: ContinuousClock.Instant?
    private var lastTry: ContinuousClock.Instant?
    private var hasFailed = false

    /// - Parameter hasKey: whether the set that is there has the wanted key.
    func step(now: ContinuousClock.Instant, hasKey: Bool) -> Step {
        guard let setFrom, now < setFrom + Self.usableFor else {
            return isPausing(now, for: Self.firstPause) ? .unavailable : .fetchFirst
        }
        if hasKey { return now < setFrom + Self.freshFor || isPausing(now, for: Self.pause) ? .use : .useAndRefresh }
        guard isPausing(now, for: Self.pause) else { return .fetchFirst }
        return hasFailed ? .unavailable : .use
    }

    private func isPausing(_ now: ContinuousClock.Instant, for pause: Duration) -> Bool {
        lastTry.map { now < $0 + pause } ?? false
    }

    mutating func begin(now: ContinuousClock.Instant) {
        lastTry = now
    }

    mutating func finish(begunAt: ContinuousClock.Instant, isSuccess: Bool) {
        hasFailed = !isSuccess
        if isSuccess { setFrom = begunAt }
    }
}
