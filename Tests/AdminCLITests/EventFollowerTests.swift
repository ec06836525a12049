import EventCore
import EventStore
import Postgres
import Synchronization
import TestSupport
import Testing

@testable import AdminCLI

@Suite struct EventFollowerTests {
    /// A body of 64 MiB may take eighteen minutes to arrive, and its events bear the time at which it began.
    @Test func findsAnEventOfARequestThatTookLongOnceAndWithinHalfAMinute() async throws {
        let migrated = try await MigratedDatabase.make()
        let administration = Administration(connection: try await migrated.connect(), actor: "test")
        let acme = try await administration.createTenant(slug: "acme", name: "Acme", retentionDays: 3650)
        let configuration = try ConnectionConfiguration(url: migrated.adminURL)
        let database = Database(operator: configuration)
        let reading = TenantReading(tenant: acme, reader: EventReader(database), database: database, configuration: configuration)
        let start = ContinuousClock.now
        let elapsed = Mutex(Duration.zero)
        var follower = EventFollower(reading, filter: EventFilter(), clock: { start + elapsed.withLock { $0 } })
        let store = { (secondsAgo: Int) in
            try await migrated.psql(
                """
                INSERT INTO events (tenant_id, occurred_at, id, received_at, source_id, version_no, type, fields, extra)
                SELECT \(acme.id.rawValue), t, gen_random_uuid(), t, 1, 0, 'of \(secondsAgo)', '{}', '{}'
                FROM (SELECT now() - interval '\(secondsAgo) seconds' AS t) received
                """
            )
        }
        let poll = { (follower: inout EventFollower) in try await follower.poll().map { $0.type ?? "" } }

        _ = try await store(600)
        try await follower.skipWhatIsThere()
        #expect(try await poll(&follower) == [], "what was there is not new")
        _ = try await store(1)
        _ = try await store(1_080)
        #expect(try await poll(&follower) == ["of 1"], "it looks back half a minute for now")
        elapsed.withLock { $0 = .seconds(29) }
        #expect(try await poll(&follower) == [])
        elapsed.withLock { $0 = .seconds(30) }
        #expect(try await poll(&follower) == ["of 1080"], "and now as far as the longest request takes")
        elapsed.withLock { $0 = .seconds(60) }
        #expect(try await poll(&follower) == [])
        await database.close()
    }
}
