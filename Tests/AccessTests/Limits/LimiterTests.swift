import EventCore
import Testing

@testable import Access

@Suite struct LimiterTests {
    private let clock = ManualClock()
    private let key = APIKey.generate(.ingest).id

    private func limiter(replicas: Int = 1) throws -> Limiter {
        let time = try #require(Timestamp(rfc3339: "2026-11-21T12:00:00Z"))
        return Limiter(replicas: replicas, now: { [clock] in clock.now }, time: { time })
    }

    private func grant(_ tenant: Int32, _ limits: TenantLimits, isSuperseded: Bool = false, key: KeyID? = nil) -> Grant {
        Grant(
            tenant: TenantID(rawValue: tenant),
            tenantSlug: "t\(tenant)",
            retentionDays: 90,
            scopes: [.ingest],
            source: nil,
            bearer: .key(key ?? self.key, name: ""),
            limits: limits,
            isSuperseded: isSuperseded
        )
    }

    private func admitted(_ admission: Limiter.Admission) -> Limiter.Ticket? {
        if case .admitted(let ticket) = admission { ticket } else { nil }
    }

    @Test func limitsEachTenantByItself() throws {
        let limiter = try limiter()
        let one = grant(1, TenantLimits(eventsPerSecond: 1))
        let other = grant(2, TenantLimits(eventsPerSecond: 1))
        let first = try #require(admitted(limiter.admit(one, writes: true)))
        first.charge(records: 100, bytes: 0, stored: 100)
        first.release()
        #expect(admitted(limiter.admit(one, writes: true)) == nil)
        #expect(admitted(limiter.admit(other, writes: true)) != nil)
    }

    @Test func takesItsPartOfALimit() throws {
        let limiter = try limiter(replicas: 4)
        let grant = grant(1, TenantLimits(concurrentRequests: 8))
        let count = (0..<8).filter { _ in admitted(limiter.admit(grant, writes: true)) != nil }.count
        #expect(count == 2)
    }

    @Test func tellsWhatWasStoredOnce() throws {
        let limiter = try limiter()
        let ticket = try #require(admitted(limiter.admit(grant(1, .none), writes: true)))
        ticket.charge(records: 5, bytes: 10, stored: 3)
        ticket.charge(records: 5, bytes: 10, stored: 2)
        let taken = limiter.takeUnsaved()
        #expect(taken.map(\.count) == [5] && taken.first?.tenant == TenantID(rawValue: 1))
        #expect(MonthClock.firstDay(of: try #require(taken.first).month) == 20_758)
        #expect(limiter.takeUnsaved().isEmpty)
        limiter.putBack(taken)
        #expect(limiter.takeUnsaved().map(\.count) == [5])
        ticket.release()
    }

    @Test func forgetsTenantsThatUseNothingButNeverADebt() throws {
        let limiter = try limiter()
        let limits = TenantLimits(eventsPerSecond: 10)
        let ticket = try #require(admitted(limiter.admit(grant(1, limits), writes: true)))
        ticket.charge(records: 1000, bytes: 0, stored: 0)
        ticket.release()
        for _ in 0..<3 { _ = limiter.takeUnsaved() }
        #expect(admitted(limiter.admit(grant(1, limits), writes: true)) == nil)
        clock.advance(.seconds(1000))
        _ = limiter.takeUnsaved()
        #expect(admitted(limiter.admit(grant(1, limits), writes: true)) != nil)
    }

    @Test func boundsLookUpsOfTheUnknownAndKeepsHalfFromSuspects() {
        let budget = LookupBudget(LookupBudget.Bounds(perSecond: 10, burst: 20, atOnce: 1000, suspectsAtOnce: 1000), now: clock.now)
        #expect((0..<100).filter { _ in budget.begin(isSuspect: true, now: clock.now) }.count == 10)
        #expect((0..<100).filter { _ in budget.begin(isSuspect: false, now: clock.now) }.count == 10)
        clock.advance(.seconds(1))
        #expect((0..<100).filter { _ in budget.begin(isSuspect: true, now: clock.now) }.isEmpty)
        #expect((0..<100).filter { _ in budget.begin(isSuspect: false, now: clock.now) }.count == 10)
    }

    @Test func boundsLookUpsAtOnce() {
        let budget = LookupBudget(LookupBudget.Bounds(perSecond: 1000, burst: 1000, atOnce: 4, suspectsAtOnce: 2), now: clock.now)
        #expect((0..<10).filter { _ in budget.begin(isSuspect: true, now: clock.now) }.count == 2)
        #expect((0..<10).filter { _ in budget.begin(isSuspect: false, now: clock.now) }.count == 2)
        budget.finish()
        #expect(budget.begin(isSuspect: false, now: clock.now))
    }

    @Test func countsWhoUsesASupersededKeyAndNobodyElse() {
        let usage = KeyUsage()
        let now = Timestamp(microsecondsSince1970: 1_000_000)
        let later = Timestamp(microsecondsSince1970: 2_000_000)
        usage.noteSender(grant(1, .none), machine: "m", address: "a", at: now)
        #expect(usage.takeReport().isEmpty)
        let old = grant(1, .none, isSuperseded: true)
        usage.note(old, at: now)
        usage.noteSender(old, machine: "m", address: "a", at: now)
        usage.noteSender(old, machine: "m", address: "a", at: later)
        usage.noteSender(old, machine: nil, address: "10.0.0.1", at: now)
        let report = usage.takeReport()
        #expect(report.lastUsed == [key: now])
        let senders = report.senders.sorted { $0.sender < $1.sender }
        #expect(senders.map(\.sender) == ["10.0.0.1", "m"] && senders.map(\.count) == [1, 2])
        #expect(senders.last?.lastSeen == later)
        #expect(usage.takeReport().isEmpty)
        usage.putBack(report)
        #expect(usage.takeReport().senders.map(\.count).reduce(0, +) == 3)
    }

    @Test func holdsABoundedNumberOfSenders() {
        let usage = KeyUsage()
        let old = grant(1, .none, isSuperseded: true)
        for number in 0..<3000 { usage.noteSender(old, machine: "m\(number)", address: "", at: .epoch) }
        let report = usage.takeReport()
        #expect(report.senders.count == KeyUsage.mostSenders + 1)
        #expect(report.senders.first { $0.sender.isEmpty }?.count == 2000)
    }

    @Test func holdsABoundedNumberOfSendersOverAllKeys() {
        let usage = KeyUsage()
        for number in 0..<50 {
            let old = grant(1, .none, isSuperseded: true, key: APIKey.generate(.ingest).id)
            for machine in 0..<900 { usage.noteSender(old, machine: "m\(number)-\(machine)", address: "", at: .epoch) }
        }
        let report = usage.takeReport()
        #expect(report.senders.count <= KeyUsage.mostSendersOfAll + 50)
        #expect(report.senders.map(\.count).reduce(0, +) == 45_000, "none goes uncounted")
    }
}
