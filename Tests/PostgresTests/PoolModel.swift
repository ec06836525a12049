@testable import Postgres

/// A world around the pool's machine: connections that fail, die and come back at random, and a check of every action.
struct PoolModel {
    private var machine: PoolStateMachine
    private let maximum: Int
    private var now = ContinuousClock.now
    private var connecting: Set<Int> = []
    private var probing: Set<Int> = []
    private var leased: Set<Int> = []
    private var idle: Set<Int> = []
    private var closing: Set<Int> = []
    private var waiting: [Int] = []
    private var retry: ContinuousClock.Instant?
    private var nextWaiter = 0
    private(set) var violations: [String] = []

    var unserved: Int { waiting.count }

    init(maximum: Int) {
        self.maximum = maximum
        machine = PoolStateMachine(
            .init(maximumConnections: maximum, idleCheckAfter: .seconds(5), maximumLifetime: .seconds(60))
        )
    }

    mutating func step(_ random: inout SplitMix) {
        switch Int.random(in: 0..<9, using: &random) {
        case 0, 1: checkout()
        case 2: if let waiter = waiting.randomElement(using: &random) { abandon(waiter) }
        case 3: if let id = take(&connecting, &random) { connected(id) }
        case 4: if let id = take(&connecting, &random) { perform(machine.connectFailed(id, now: now, jitter: 0.5)) }
        case 5, 6: if let id = take(&leased, &random) { giveBack(id, Bool.random(using: &random)) }
        case 7:
            if let id = take(&closing, &random) { perform(machine.closed(id, now: now)) }
            if let id = take(&probing, &random) { probed(id, Bool.random(using: &random)) }
        default:
            now += .milliseconds(Int.random(in: 0..<4_000, using: &random))
            retryIfDue()
        }
    }

    /// From here on everything works: everybody must be served.
    mutating func settle() {
        for _ in 0..<2_000 where !waiting.isEmpty {
            now += .seconds(1)
            retryIfDue()
            while let id = closing.popFirst() { perform(machine.closed(id, now: now)) }
            while let id = probing.popFirst() { probed(id, true) }
            while let id = connecting.popFirst() { connected(id) }
            if let id = leased.popFirst() { giveBack(id, true) }
        }
    }

    private func take(_ set: inout Set<Int>, _ random: inout SplitMix) -> Int? {
        // Sorted, or a set's own order would make a seed mean something else in each run.
        set.sorted().randomElement(using: &random).flatMap { set.remove($0) }
    }

    private mutating func checkout() {
        nextWaiter += 1
        waiting.append(nextWaiter)
        perform(machine.checkout(nextWaiter, now: now))
    }

    private mutating func abandon(_ waiter: Int) {
        if !machine.abandon(waiter) { violations.append("lost waiter \(waiter)") }
        waiting.removeAll { $0 == waiter }
    }

    private mutating func connected(_ id: Int) {
        idle.insert(id)
        perform(machine.connected(id, now: now, jitter: 0))
    }

    private mutating func giveBack(_ id: Int, _ isReusable: Bool) {
        idle.insert(id)
        perform(machine.returned(id, isReusable: isReusable, now: now))
    }

    private mutating func probed(_ id: Int, _ isAlive: Bool) {
        idle.insert(id)
        perform(machine.probed(id, isAlive: isAlive, now: now))
    }

    private mutating func retryIfDue() {
        guard let due = retry, now >= due else { return }
        retry = nil
        perform(machine.retryDue(now: now))
    }

    private mutating func perform(_ actions: [PoolStateMachine.Action]) {
        for action in actions { perform(action) }
        let open = connecting.count + probing.count + leased.count + idle.count + closing.count
        if open > maximum { violations.append("\(open) connections") }
        if machine.statistics.waiting != waiting.count { violations.append("miscounted waiters") }
    }

    private mutating func perform(_ action: PoolStateMachine.Action) {
        switch action {
        case .connect(let id): connecting.insert(id)
        case .hand(let id, let waiter):
            if idle.remove(id) == nil { violations.append("connection \(id) was not idle") }
            if waiting.first != waiter { violations.append("waiter \(waiter) was not first") }
            waiting.removeAll { $0 == waiter }
            leased.insert(id)
        case .probe(let id):
            if idle.remove(id) == nil { violations.append("connection \(id) was not idle") }
            probing.insert(id)
        case .close(let id):
            if idle.remove(id) == nil { violations.append("closed connection \(id) in use") }
            closing.insert(id)
        case .retry(let instant):
            if retry != nil { violations.append("two retries") }
            retry = instant
        case .fail, .drained: violations.append("\(action)")
        }
    }
}
