import EventCore
import Foundation
import Postgres
import TestSupport
import Testing

@testable import EventStore

/// What has expired: invisible at once, and gone after a run that does what its preview said.
@Suite struct RetentionTests {
    /// acme keeps 40 days, globex ten years.
    private func scene(acmeDays: Int = 40) async throws -> Fixture {
        let fixture = try await Fixture.make()
        try await fixture.migrated.psql("UPDATE tenants SET retention_days = \(acmeDays) WHERE slug = 'acme'")
        return fixture
    }

    private func retention(_ fixture: Fixture, batch: Int32 = 7) async throws -> Retention {
        Retention(try await fixture.migrated.connect(), actor: "test", batch: batch)
    }

    /// Rows at so many days' age, whatever the retention says now.
    private func put(_ ages: [Double], of tenant: TenantRecord, _ fixture: Fixture) async throws {
        try await fixture.migrated.psql("UPDATE tenants SET retention_days = 3650 WHERE tenant_id = \(tenant.id)")
        let events = ages.enumerated().map { fixture.event(tenant, secondsAgo: $1 * day, name: "\($0)/\($1)") }
        let outcomes = try await fixture.writer.store(events, deadline: fixture.deadline)
        #expect(outcomes.count == ages.count)
        try await fixture.migrated.psql(
            "UPDATE tenants SET retention_days = \(tenant.slug == "acme" ? 40 : 3650) WHERE tenant_id = \(tenant.id)"
        )
    }

    private func count(_ fixture: Fixture, _ condition: String = "true") async throws -> Int {
        try #require(Int(try await fixture.migrated.psql("SELECT count(*) FROM events WHERE \(condition)")))
    }

    private func months(_ fixture: Fixture) async throws -> Set<String> {
        Set(try await Partitions(try await fixture.migrated.connect()).list().map(\.partition.name))
    }

    @Test func hidesFromEveryReaderAtOnceWhatHasExpired() async throws {
        let fixture = try await scene()
        try await put([1, 39, 41, 100], of: fixture.acme, fixture)
        // However much a read asks for: the database itself shows no more.
        #expect(try await fixture.page(fixture.acme, retentionDays: 3650).events.count == 2)
        try await fixture.migrated.psql("UPDATE tenants SET retention_days = 2 WHERE slug = 'acme'")
        #expect(try await fixture.page(fixture.acme, retentionDays: 3650).events.count == 1)
        #expect(try await count(fixture) == 4, "nothing is deleted yet")
    }

    @Test func doesWhatThePreviewSaid() async throws {
        let fixture = try await scene()
        // Long ago both have rows, half a year ago acme alone, recently both.
        try await put([1, 20, 60, 60.5, 61, 200, 201, 400] + (0..<20).map { 402 + Double($0) / 100 }, of: fixture.acme, fixture)
        try await put([1, 60, 400], of: fixture.globex, fixture)
        try await refuse(fixture, agesOfAcme: [1, 31, 100], agesOfGlobex: [2, 40])
        try await remember(fixture, agesOfAcme: [1, 8, 9], agesOfGlobex: [10])
        let retention = try await retention(fixture)
        let before = try await tally(fixture)
        let monthsBefore = try await months(fixture)
        let preview = try await retention.preview()
        #expect(try await retention.preview().months == preview.months, "a preview changes nothing")
        #expect(try await tally(fixture) == before)

        let outcome = try await retention.run()
        let after = try await tally(fixture)
        #expect(outcome.droppedMonths == preview.months && !preview.months.isEmpty)
        #expect(outcome.waitingMonths.isEmpty)
        #expect(monthsBefore.subtracting(try await months(fixture)) == Set(preview.months))
        for rows in preview.tenants {
            #expect(
                before["events \(rows.tenant)", default: 0] - after["events \(rows.tenant)", default: 0] == rows.inDroppedMonths
                    + rows.deleted
            )
            #expect(before["quarantine \(rows.tenant)", default: 0] - after["quarantine \(rows.tenant)", default: 0] == rows.refused)
            #expect(
                before["remembered_ids \(rows.tenant)", default: 0] - after["remembered_ids \(rows.tenant)", default: 0]
                    == rows.rememberedIDs
            )
            #expect(outcome.deleted[rows.tenant, default: 0] == rows.deleted)
        }
        #expect(preview.tenants.map(\.tenant) == ["acme", "globex"])
        #expect(after["events acme"] == 2 && after["events globex"] == 3)
        #expect(try await retention.run().isNothing, "done is done")
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM sluice.check_isolation()") == "0")
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM audit_log WHERE action = 'retention.run'") == "1")
    }

    @Test func keepsEverythingOfATenantOnHold() async throws {
        let fixture = try await scene()
        try await put([1, 60, 200], of: fixture.acme, fixture)
        try await refuse(fixture, agesOfAcme: [40], agesOfGlobex: [40])
        try await remember(fixture, agesOfAcme: [9], agesOfGlobex: [9])
        #expect(try await fixture.administration.holdTenant(slug: "acme", true).heldAt != nil)
        let retention = try await retention(fixture)
        let preview = try await retention.preview()
        #expect(preview.tenants.first { $0.tenant == "acme" } == .init(tenant: "acme", isHeld: true))
        let outcome = try await retention.run()
        #expect(outcome.refused == 1 && outcome.rememberedIDs == 1 && outcome.deleted.isEmpty)
        #expect(try await count(fixture) == 3)
        #expect(try await fixture.page(fixture.acme, retentionDays: 3650).events.count == 1, "invisible all the same")

        #expect(try await fixture.administration.holdTenant(slug: "acme", false).heldAt == nil)
        _ = try await retention.run()
        #expect(try await count(fixture) == 1)
        let acts = try await fixture.migrated.psql(
            "SELECT string_agg(action, ' ' ORDER BY entry_id) FROM audit_log WHERE action ~ 'hold|release'"
        )
        #expect(acts == "tenant.hold tenant.release")
    }

    /// A hold that is being written while a sweep begins: the sweep's snapshot does not show it.
    @Test func sweepsNothingOfATenantThatIsBeingHeld() async throws {
        let fixture = try await scene()
        try await refuse(fixture, agesOfAcme: [40], agesOfGlobex: [40])
        try await remember(fixture, agesOfAcme: [9], agesOfGlobex: [9])
        // Ids of a tenant that is no more go all the same.
        try await fixture.migrated.psql(
            "INSERT INTO remembered_ids SELECT 4711, 1, key_digest, content_digest, occurred_at, id, seen_at FROM remembered_ids WHERE tenant_id = \(fixture.acme.id)"
        )
        let holder = try await fixture.migrated.connect()
        try await holder.executeScript(
            "SET idle_in_transaction_session_timeout = 0; BEGIN; UPDATE sluice.tenants SET held_at = now() WHERE slug = 'acme'",
            deadline: fixture.deadline
        )
        let outcome = try await retention(fixture).run()
        #expect(outcome.refused == 1 && outcome.rememberedIDs == 2)
        try await holder.executeScript("ROLLBACK", deadline: fixture.deadline)
        await holder.close()
        let after = try await retention(fixture).run()
        #expect(after.refused == 1 && after.rememberedIDs == 1)
    }

    @Test func givesAMonthBackThatSomebodyNeedsAfterAll() async throws {
        let fixture = try await scene()
        try await put([200, 201], of: fixture.acme, fixture)
        let partition = try #require(
            try await retention(fixture).plan().drops.first {
                $0.parent == .events && $0.bytes > 0 && $0.since < fixture.now.adding(days: -190)
            }
        )
        // As far as a purge gets when it is ended between detaching and dropping; then comes a hold.
        try await fixture.migrated.psql("SET ROLE sluice_owner; SELECT sluice.mark_for_purge('events', '\(partition.name)')")
        try await fixture.migrated.psql("ALTER TABLE sluice.events DETACH PARTITION sluice.\(partition.name)")
        #expect(try await count(fixture) == 0)
        _ = try await fixture.administration.holdTenant(slug: "acme", true)
        let outcome = try await retention(fixture).run()
        #expect(outcome.waitingMonths.contains(partition.name))
        #expect(try await count(fixture) == 2)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM sluice.check_isolation()") == "0")

        // The same with another table in its place meanwhile.
        _ = try await fixture.administration.holdTenant(slug: "acme", false)
        try await fixture.migrated.psql("SET ROLE sluice_owner; SELECT sluice.mark_for_purge('events', '\(partition.name)')")
        try await fixture.migrated.psql("ALTER TABLE sluice.events DETACH PARTITION sluice.\(partition.name)")
        try await put([200.5], of: fixture.globex, fixture)
        _ = try await fixture.administration.holdTenant(slug: "acme", true)
        _ = try await retention(fixture).run()
        #expect(try await count(fixture) == 3)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM partitions() WHERE state <> 'attached'") == "0")
    }

    @Test func finishesWhatWasInterruptedAndLeavesOthersTablesAlone() async throws {
        let fixture = try await scene()
        try await put([200], of: fixture.acme, fixture)
        let month = try #require(try await retention(fixture).plan().drops.first { $0.parent == .events })
        // A reader holds the month, so detaching it stays pending.
        let reader = try await fixture.migrated.connect()
        try await reader.executeScript(
            "SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT count(*) FROM sluice.events",
            deadline: fixture.deadline
        )
        let drop = MonthDrop(
            connection: try await fixture.migrated.connect(),
            actor: "test",
            lockTimeout: .milliseconds(200),
            attempts: 1
        )
        #expect(try await drop.drop(month) == .waiting)
        #expect(try await fixture.migrated.psql("SELECT state FROM partitions() WHERE name = '\(month.name)'") == "detaching")
        // Meanwhile ingest goes on, also into a month that is new.
        try await put([1, 300], of: fixture.globex, fixture)
        try await reader.executeScript("COMMIT", deadline: fixture.deadline)
        await reader.close()
        let outcome = try await retention(fixture).run()
        #expect(outcome.droppedMonths.contains(month.name))
        let left = try await months(fixture)
        #expect(!left.contains(month.name))

        // A month that an operator detached by hand is his.
        try await put([400], of: fixture.acme, fixture)
        let theirs = try #require(try await retention(fixture).plan().drops.first { $0.parent == .events })
        try await fixture.migrated.psql("ALTER TABLE sluice.events DETACH PARTITION sluice.\(theirs.name)")
        _ = try await retention(fixture).run()
        #expect(try await fixture.migrated.psql("SELECT state FROM partitions() WHERE name = '\(theirs.name)'") == "detached")
    }

    /// PostgreSQL detaches one month of a table at a time.
    @Test func goesOnWithRowsWhileAMonthCannotBeDetached() async throws {
        let fixture = try await scene()
        try await put([60, 200, 300], of: fixture.acme, fixture)
        try await put([60], of: fixture.globex, fixture)
        var retention = try await retention(fixture)
        retention.lockTimeout = .milliseconds(50)
        let due = try await retention.plan().drops.filter { $0.parent == .events }
        #expect(due.count >= 2)
        let reader = try await fixture.migrated.connect()
        try await reader.executeScript(
            "SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT count(*) FROM sluice.events",
            deadline: fixture.deadline
        )
        for _ in 0..<2 {
            let outcome = try await retention.run()
            #expect(Set(outcome.waitingMonths).isSuperset(of: due.map(\.name)), "\(outcome)")
        }
        #expect(try await count(fixture, "tenant_id = \(fixture.acme.id) AND occurred_at > now() - interval '100 days'") == 0)
        #expect(try await count(fixture, "tenant_id = \(fixture.globex.id)") == 1)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM partitions() WHERE state = 'detaching'") == "1")
        try await reader.executeScript("COMMIT", deadline: fixture.deadline)
        await reader.close()
        let outcome = try await retention.run()
        #expect(Set(outcome.droppedMonths).isSuperset(of: due.map(\.name)))
        let told = try await fixture.migrated.psql(
            "SELECT string_agg(target, ' ' ORDER BY target) FROM audit_log WHERE action = 'retention.drop'"
        )
        #expect(Set(told.split(separator: " ").map(String.init)).isSuperset(of: due.map(\.name)), "each as it happened: \(told)")
    }

    @Test func dropsAMonthWhileEventsComeIn() async throws {
        let fixture = try await scene()
        try await put((0..<40).map { 200 + Double($0) / 10 }, of: fixture.acme, fixture)
        let retention = try await retention(fixture)
        let globex = fixture.globex
        try await fixture.writer.withLanes { lanes in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for sender in 0..<4 {
                    group.addTask {
                        for number in 0..<50 {
                            // Into the very months that go, too: they are made again.
                            let event = fixture.event(
                                globex,
                                secondsAgo: Double(number % 5) * 100 * day + Double(sender),
                                name: "\(sender)/\(number)"
                            )
                            let outcomes = try await lanes.submit([.event(event)], tenant: globex.id, deadline: fixture.deadline) { _ in []
                            }
                            #expect(outcomes.count == 1)
                        }
                        return 50
                    }
                }
                group.addTask {
                    for _ in 0..<5 { _ = try await retention.run() }
                    return 0
                }
                let stored = try await group.reduce(0, +)
                #expect(stored == 200)
            }
        }
        #expect(try await count(fixture, "tenant_id = \(globex.id)") == 200)
        #expect(try await count(fixture, "tenant_id = \(fixture.acme.id)") == 0)
        #expect(try await fixture.migrated.psql("SELECT count(*) FROM partitions() WHERE state <> 'attached'") == "0")
    }

    @Test func runsOnceAtATime() async throws {
        let fixture = try await scene()
        let other = try await fixture.migrated.connect()
        #expect(try await other.takeSessionLock("sluice.retention"))
        await #expect(throws: StoreError.self) { try await self.retention(fixture).run() }
        await other.close()
    }

    @Test func deletesWhatIsLeftOfATenantThatIsNoMore() async throws {
        let fixture = try await scene()
        try await fixture.migrated.psql(
            """
            INSERT INTO events (tenant_id, occurred_at, id, received_at, source_id, version_no, fields, extra)
            VALUES (4711, now(), gen_random_uuid(), now(), 1, 0, '{}', '{}')
            """
        )
        let outcome = try await retention(fixture).run()
        #expect(outcome.deleted == ["#4711": 1])
    }

    @Test func tellsWhoNeedsAMonth() async throws {
        let fixture = try await scene()
        try await put([1, 100], of: fixture.acme, fixture)
        try await put([1, 100, 102], of: fixture.globex, fixture)
        let entries = try await Partitions(try await fixture.migrated.connect()).list(countingRows: true)
        let old = entries.filter {
            $0.partition.parent == .events && $0.partition.until < fixture.now.adding(days: -45) && $0.exactRows ?? 0 > 0
        }
        #expect(!old.isEmpty && old.allSatisfy { $0.neededBy == ["globex"] })
        #expect(entries.compactMap(\.exactRows).reduce(0, +) == 5)
        let current = entries.first {
            $0.partition.parent == .events && $0.partition.since <= fixture.now && fixture.now < $0.partition.until
        }
        #expect(current?.partition.state == .attached)
    }

    private func refuse(_ fixture: Fixture, agesOfAcme: [Double], agesOfGlobex: [Double]) async throws {
        for (tenant, ages) in [(fixture.acme, agesOfAcme), (fixture.globex, agesOfGlobex)] {
            for age in ages {
                try await fixture.migrated.psql(
                    """
                    SET ROLE sluice_owner;
                    SELECT sluice.make_partition('quarantine', date_trunc('month', (now() - interval '\(age) days') AT TIME ZONE 'UTC')::date);
                    SELECT sluice.keep_refused(ARRAY[\(tenant.id)], ARRAY[gen_random_uuid()], ARRAY[now() - interval '\(age) days'], ARRAY[1],
                        ARRAY[0], ARRAY['r'], ARRAY[''], ARRAY[''], ARRAY['\(age)'::bytea])
                    """
                )
            }
        }
    }

    private func remember(_ fixture: Fixture, agesOfAcme: [Double], agesOfGlobex: [Double]) async throws {
        for (tenant, ages) in [(fixture.acme, agesOfAcme), (fixture.globex, agesOfGlobex)] {
            for age in ages {
                try await fixture.migrated.psql(
                    """
                    INSERT INTO remembered_ids VALUES (\(tenant.id), 1, sha256('\(age)'), sha256(''), now(), gen_random_uuid(),
                        now() - interval '\(age) days')
                    """
                )
            }
        }
    }

    /// Rows by table and tenant.
    private func tally(_ fixture: Fixture) async throws -> [String: Int] {
        let lines = try await fixture.migrated.psql(
            ["events", "quarantine", "remembered_ids"].map {
                "SELECT '\($0) ' || slug, count(*) FROM \($0) JOIN tenants USING (tenant_id) GROUP BY 1"
            }.joined(separator: " UNION ALL ")
        )
        return Dictionary(
            lines.split(separator: "\n").compactMap { line in
                let parts = line.split(separator: "|")
                return parts.count == 2 ? (String(parts[0]), Int(parts[1]) ?? -1) : nil
            },
            uniquingKeysWith: { first, _ in first }
        )
    }
}
