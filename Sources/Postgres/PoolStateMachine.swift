/// Who has which connection and who waits: a value, with no I/O, no lock and no clock of its own. Events in, actions out.
///
/// A connection's states and the events that lead from one to the next:
///
///     connecting ─ connected ─▶ idle ─ served ─▶ leased ─ returned ─▶ idle
///         │                      │                  ├─ returned, broken or too old ─▶ closing
///         │                      │                  └─ foundDead ─▶ closing, its waiter first in line again
///         │                      ├─ served after a long rest ─▶ probing ─ probed ─▶ idle, or closing
///         │                      └─ too old, or the pool closes ─▶ closing ─ closed ─▶ gone
///         └─ connectFailed ─▶ gone
///
/// - A connection counts towards the maximum until it is gone.
/// - Waiters are served in the order they came; the connection used last goes first, so that the others grow old.
/// - While connecting fails, one attempt runs at a time, each after a growing pause, and only while somebody waits.
struct PoolStateMachine {
    typealias Instant = ContinuousClock.Instant
    typealias ConnectionID = Int
    typealias WaiterID = Int

    struct Settings {
        var maximumConnections: Int
        var maximumWaiters = 1_000
        var idleCheckAfter: Duration
        var maximumLifetime: Duration
        var firstBackoff: Duration = .milliseconds(50)
        var maximumBackoff: Duration = .seconds(1)
    }

    enum Action: Equatable {
        case connect(ConnectionID)
        case hand(ConnectionID, to: WaiterID)
        case probe(ConnectionID)
        case close(ConnectionID)
        case fail(WaiterID)
        /// Ask for `retryDue` at this time.
        case retry(at: Instant)
        /// The pool is closed and nothing is left.
        case drained
    }

    private enum State {
        case connecting, idle(since: Instant), probing, leased, closing
    }

    private struct Slot {
        var state: State
        var expiresAt: Instant
    }

    private let settings: Settings
    private var slots: [ConnectionID: Slot] = [:]
    /// The one used last is at the end.
    private var idle: [ConnectionID] = []
    private var waiters = WaiterQueue()
    private var nextConnection = 0
    private var connecting = 0
    private var probing = 0
    private var failures = 0
    private var retryAt: Instant?
    private var isRetryScheduled = false
    private(set) var isClosing = false

    init(_ settings: Settings) {
        self.settings = settings
    }

    var statistics: PoolStatistics {
        let closing = slots.values.count { slot in
            if case .closing = slot.state { true } else { false }
        }
        let open = slots.count - connecting - closing
        return PoolStatistics(
            open: open,
            idle: idle.count,
            leased: open - idle.count - probing,
            waiting: waiters.count,
            connecting: connecting
        )
    }

    // MARK: Waiters

    mutating func checkout(_ waiter: WaiterID, now: Instant) -> [Action] {
        guard !isClosing, waiters.count < settings.maximumWaiters else { return [.fail(waiter)] }
        waiters.append(waiter)
        return serve(now)
    }

    /// The waiter gave up; false if it is no longer waiting.
    mutating func abandon(_ waiter: WaiterID) -> Bool {
        waiters.remove(waiter)
    }

    /// A connection handed out turned out to be dead before the waiter got it.
    mutating func foundDead(_ id: ConnectionID, for waiter: WaiterID, now: Instant) -> [Action] {
        waiters.prepend(waiter)
        return close(id) + serve(now)
    }

    mutating func returned(_ id: ConnectionID, isReusable: Bool, now: Instant) -> [Action] {
        guard isReusable, !isClosing, let slot = slots[id], now < slot.expiresAt else { return close(id) + serve(now) }
        return offer(id, now) + serve(now)
    }

    // MARK: Connections

    /// - Parameter jitter: between -1 and 1; spreads the lifetimes by a tenth, so that connections do not all end at once.
    mutating func connected(_ id: ConnectionID, now: Instant, jitter: Double) -> [Action] {
        connecting -= 1
        failures = 0
        retryAt = nil
        let expiresAt = now + settings.maximumLifetime * (1 + jitter / 10)
        slots[id]?.expiresAt = expiresAt
        guard !isClosing else { return close(id) }
        return offer(id, now) + serve(now)
    }

    /// - Parameter jitter: between 0 and 1; how much of half the pause is left out.
    mutating func connectFailed(_ id: ConnectionID, now: Instant, jitter: Double) -> [Action] {
        connecting -= 1
        slots[id] = nil
        failures += 1
        let doublings = min(failures - 1, 16)
        let pause = min(settings.firstBackoff * (1 << doublings), settings.maximumBackoff)
        retryAt = now + pause * (1 - jitter / 2)
        return serve(now) + drainedIfEmpty()
    }

    mutating func retryDue(now: Instant) -> [Action] {
        isRetryScheduled = false
        return serve(now)
    }

    mutating func probed(_ id: ConnectionID, isAlive: Bool, now: Instant) -> [Action] {
        probing -= 1
        guard isAlive, !isClosing else { return close(id) + serve(now) }
        return offer(id, now) + serve(now)
    }

    mutating func closed(_ id: ConnectionID, now: Instant) -> [Action] {
        slots[id] = nil
        return serve(now) + drainedIfEmpty()
    }

    /// No more checkouts; what is leased may finish.
    mutating func shutDown() -> [Action] {
        guard !isClosing else { return [] }
        isClosing = true
        var actions = waiters.removeAll().map { Action.fail($0) }
        for id in idle { actions += close(id) }
        idle.removeAll()
        return actions + drainedIfEmpty()
    }

    // MARK: Inside

    /// Gives a connection that has just proved itself to whoever is first, with no further check.
    private mutating func offer(_ id: ConnectionID, _ now: Instant) -> [Action] {
        guard let waiter = waiters.popFirst() else {
            slots[id]?.state = .idle(since: now)
            idle.append(id)
            return []
        }
        slots[id]?.state = .leased
        return [.hand(id, to: waiter)]
    }

    private mutating func close(_ id: ConnectionID) -> [Action] {
        slots[id]?.state = .closing
        return [.close(id)]
    }

    private func drainedIfEmpty() -> [Action] {
        isClosing && slots.isEmpty ? [.drained] : []
    }

    /// Gives out what there is, and makes what is missing.
    private mutating func serve(_ now: Instant) -> [Action] {
        guard !isClosing else { return [] }
        var actions: [Action] = []
        while waiters.count > probing, let id = idle.popLast(), let slot = slots[id] {
            guard now < slot.expiresAt, case .idle(let since) = slot.state else {
                actions += close(id)
                continue
            }
            if since.duration(to: now) >= settings.idleCheckAfter {
                slots[id]?.state = .probing
                probing += 1
                actions.append(.probe(id))
            } else if let waiter = waiters.popFirst() {
                slots[id]?.state = .leased
                actions.append(.hand(id, to: waiter))
            }
        }
        return actions + connectAsNeeded(now)
    }

    private mutating func connectAsNeeded(_ now: Instant) -> [Action] {
        var actions: [Action] = []
        while connecting + probing < waiters.count, slots.count < settings.maximumConnections {
            if let retryAt {
                guard connecting == 0 else { break }
                guard now >= retryAt else {
                    if !isRetryScheduled { actions.append(.retry(at: retryAt)) }
                    isRetryScheduled = true
                    break
                }
            }
            nextConnection += 1
            connecting += 1
            slots[nextConnection] = Slot(state: .connecting, expiresAt: now)
            actions.append(.connect(nextConnection))
        }
        return actions
    }
}
