import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

/// Which senders have gone quiet, and the other figures that operators watch.
@Suite struct ActivityTests {
    private func heard(_ fixture: Fixture, _ source: SourceID, at seconds: Int64..., count: Int = 1) -> HeardSource {
        func time(_ seconds: Int64) -> Timestamp {
            Timestamp(microsecondsSince1970: Timestamp.now().microsecondsSince1970 + seconds * 1_000_000)
        }
        return HeardSource(
            tenant: fixture.acme.id,
            source: source,
            first: time(seconds.first ?? 0),
            last: time(seconds.last ?? 0),
            count: count
        )
    }

    @Test func learnsASourcesGapsAndSaysWhenItIsQuiet() async throws {
        let fixture = try await Fixture.make()
        let database = fixture.database
        let installation = Installation(database)
        let administration = fixture.administration
        let source = try #require(try await administration.sources(tenant: "acme").first)
        let day: Int64 = 86_400
        for hour in stride(from: -40 * day, to: -8 * day, by: 3_600) {
            try await installation.note([heard(fixture, source.id, at: hour, hour + 60, count: 4)], deadline: fixture.deadline)
        }
        try await fixture.migrated.psql("UPDATE source_activity SET since = now() - interval '40 days'")
        let silent = try #require(try await administration.activity(tenant: "acme")[source.id])
        #expect(silent.isQuiet, "hourly, and then nothing for a week")
        #expect(silent.usualGap.map { $0 > .seconds(800) && $0 < .seconds(1_000) } == true, "\(silent)")
        let figures = try await installation.figures(deadline: fixture.deadline)
        #expect(figures.contains { $0.kind == .sourceQuiet && $0.tenant == "acme" && $0.source == source.slug && $0.value == 1 })
        #expect(figures.contains { $0.kind == .monthsAhead && $0.tenant == nil && $0.value >= 1 })

        try await installation.note([heard(fixture, source.id, at: -30)], deadline: fixture.deadline)
        let back = try #require(try await administration.activity(tenant: "acme")[source.id])
        #expect(!back.isQuiet)
        // A replica that tells later what it heard before takes nothing back; what is gone is nobody's trouble.
        try await installation.note(
            [heard(fixture, source.id, at: -4_000), heard(fixture, SourceID(rawValue: 999_999), at: 0)],
            deadline: fixture.deadline
        )
        #expect(try await administration.activity(tenant: "acme")[source.id]?.lastRequestAt == back.lastRequestAt)
        await database.close()
    }

    @Test func sumsUpQuarantinesByTenant() async throws {
        let fixture = try await Fixture.make()
        let database = fixture.database
        try await fixture.migrated.psql("INSERT INTO quarantine_usage (tenant_id, bytes) VALUES (\(fixture.acme.id.rawValue), 4711)")
        let figures = try await Installation(database).figures(deadline: fixture.deadline).filter { $0.kind == .quarantineBytes }
        #expect(figures == [OperationsFigure(kind: .quarantineBytes, tenant: "acme", source: nil, task: nil, value: 4711)])
        await database.close()
    }

    @Test func tellsOfMaintenance() async throws {
        let fixture = try await Fixture.make()
        let connection = try await fixture.migrated.connect()
        let log = MaintenanceLog(connection)
        func figures() async throws -> [OperationsFigure.Kind: Double] {
            let all = try await Installation(fixture.database).figures(deadline: fixture.deadline).filter { $0.task == "backup" }
            return Dictionary(uniqueKeysWithValues: all.map { ($0.kind, $0.value) })
        }
        #expect(try await figures().isEmpty)
        try await log.begin("backup", at: fixture.now)
        #expect(try await figures().keys.sorted { $0.rawValue < $1.rawValue } == [.taskStarted], "it runs")
        #expect(try await log.recording("backup", detail: { "\($0) rows" }) { 7 } == 7)
        let good = try await figures()
        #expect(good[.taskFailed] == 0 && good[.taskSucceeded] == good[.taskStarted] && good[.taskSeconds] != nil)
        await #expect(throws: CancellationError.self) {
            try await log.recording("backup", detail: { "" }) { throw CancellationError() }
        }
        let bad = try await figures()
        #expect(bad[.taskFailed] == 1 && bad[.taskSucceeded] == good[.taskSucceeded] && bad[.taskStarted] != good[.taskStarted])
        #expect(try await fixture.migrated.psql("SELECT runs, failures FROM maintenance") == "3|1")
        await connection.close()
    }
}
