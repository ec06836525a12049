import EventCore
import Postgres
import TestSupport
import Testing

@testable import EventStore

@Suite struct QuarantineReplayTests {
    /// Acme with a schema that requires `b`, and what it refused.
    struct Scene {
        let fixture: Fixture
        let access: TenantAccess
        let time: String

        static func make() async throws -> Scene {
            let fixture = try await Fixture.make()
            _ = try await fixture.administration.applySchema(
                tenant: "acme",
                document: SchemaRegistryTests.document("b: { from: /b, type: string, required: true }")
            )
            let access = TenantAccess(fixture.database, tenant: fixture.acme.id, slug: "acme", retentionDays: 3650, actor: "key:x")
            let hourAgo = Timestamp(microsecondsSince1970: fixture.now.microsecondsSince1970 - 3_600_000_000)
            return Scene(fixture: fixture, access: access, time: hourAgo.rfc3339())
        }

        func body(_ number: Int, _ rest: String = "") -> String { #"{"t":"\#(time)","n":\#(number)\#(rest)}"# }

        /// What ingest makes of a record that came `secondsAgo`.
        func sent(_ body: String, profile: SenderProfile = .generic, requestID: String? = nil, secondsAgo: Double = 1_800) async throws
            -> WriteRecord
        {
            let source = try #require(try await fixture.source(fixture.acme)).behaving(as: profile)
            let receivedAt = Timestamp(microsecondsSince1970: fixture.now.microsecondsSince1970 - Int64(secondsAgo * 1_000_000))
            var mapper = RecordMapper()
            let window = AcceptanceWindow(now: receivedAt, retentionDays: 3650)
            switch mapper.accept(Array(body.utf8), from: source, receivedAt: receivedAt, window: window, recordID: requestID) {
            case .success(let event): return .event(event)
            case .failure(let rejection):
                return .quarantine(
                    QuarantinedRecord(
                        tenant: fixture.acme.id,
                        source: source.id,
                        versionNumber: source.schema?.versionNumber,
                        receivedAt: receivedAt,
                        reason: QuarantineReason(rejection),
                        body: Array(body.utf8),
                        profile: profile,
                        requestID: requestID
                    )
                )
            }
        }

        @discardableResult
        func submit(_ records: [WriteRecord]) async throws -> [WriteOutcome] {
            try await fixture.writer.withLanes {
                try await $0.submit(records, tenant: fixture.acme.id, deadline: fixture.deadline) { _ in [] }
            }
        }

        func makeOptional() async throws {
            _ = try await fixture.administration.applySchema(
                tenant: "acme",
                document: SchemaRegistryTests.document("b: { from: /b, type: string }")
            )
        }

        func counts() async throws -> String {
            try await fixture.migrated.psql(
                "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM quarantine), (SELECT sum(bytes) FROM quarantine_usage)"
            )
        }
    }

    @Test(arguments: [true, false])
    func readmitsWithTheTimeAtWhichItCame(byAPI: Bool) async throws {
        let scene = try await Scene.make()
        let records = [
            try await scene.sent(scene.body(1)), try await scene.sent(scene.body(2)), try await scene.sent(scene.body(3, #","b":5"#)),
        ]
        try await scene.submit(records)
        try await scene.makeOptional()
        let access = byAPI ? scene.access : try await scene.fixture.administration.access(tenant: "acme")
        let outcome = try await QuarantineReplay(access).all(QuarantineFilter())
        #expect((outcome.accepted, outcome.duplicates, outcome.refused) == (2, 0, 1))
        let left = scene.body(3, #","b":5"#).utf8.count + 256
        #expect(try await scene.counts() == "2|1|\(left)")
        #expect(try await scene.fixture.migrated.psql("SELECT reason, pointer, version_no FROM quarantine") == "type_mismatch|/b|2")
        let late = try await scene.fixture.migrated.psql("SELECT count(*) FROM events WHERE received_at > now() - interval '20 minutes'")
        #expect(late == "0")
        #expect(try await scene.fixture.migrated.psql("SELECT DISTINCT version_no FROM events") == "2")
        let again = try await QuarantineReplay(access).all(QuarantineFilter())
        #expect((again.accepted, again.duplicates, again.refused) == (0, 0, 1))
        #expect(try await scene.fixture.migrated.psql("SELECT count(*) FROM audit_log WHERE action = 'quarantine.replay'") == "1")
    }

    @Test func aRetryAfterTheReplayIsADuplicate() async throws {
        let scene = try await Scene.make()
        let body = scene.body(1, #","delayed":false"#)
        let retry = scene.body(1, #","delayed":true"#)
        try await scene.submit([try await scene.sent(body, profile: .privilegesWebhook)])
        try await scene.makeOptional()
        #expect(try await QuarantineReplay(scene.access).all(QuarantineFilter()).accepted == 1)
        #expect(try await scene.submit([try await scene.sent(retry, profile: .privilegesWebhook, secondsAgo: 5)]) == [.duplicate])
    }

    @Test func takesWhatWasStoredMeanwhileForADuplicate() async throws {
        let scene = try await Scene.make()
        try await scene.submit([try await scene.sent(scene.body(1))])
        try await scene.makeOptional()
        try await scene.submit([try await scene.sent(scene.body(1), secondsAgo: 5)])
        let outcome = try await QuarantineReplay(scene.access).all(QuarantineFilter())
        #expect((outcome.accepted, outcome.duplicates) == (0, 1))
        #expect(try await scene.counts() == "1|0|0")
    }

    @Test func keepsTheRequestsID() async throws {
        let scene = try await Scene.make()
        try await scene.submit([try await scene.sent(scene.body(1), requestID: "k#0")])
        try await scene.makeOptional()
        #expect(try await QuarantineReplay(scene.access).all(QuarantineFilter()).accepted == 1)
        #expect(try await scene.submit([try await scene.sent(scene.body(1), requestID: "k#0", secondsAgo: 5)]) == [.duplicate])
        // The same id with other content stays in quarantine.
        let other = QuarantinedRecord(
            tenant: scene.fixture.acme.id,
            source: try await scene.fixture.source(scene.fixture.acme)?.id,
            versionNumber: 1,
            receivedAt: scene.fixture.now,
            reason: QuarantineReason(code: "missing_field", pointer: nil, detail: ""),
            body: Array(scene.body(2).utf8),
            requestID: "k#0"
        )
        try await scene.submit([.quarantine(other)])
        #expect(try await QuarantineReplay(scene.access).all(QuarantineFilter()).refused == 1)
        #expect(try await scene.fixture.migrated.psql("SELECT reason FROM quarantine") == "id_reused")
    }

    /// It came in time, and would be gone as soon as it were an event.
    @Test func leavesWhatIsKeptNoMoreWhereItIs() async throws {
        let scene = try await Scene.make()
        let tenDaysAgo = scene.fixture.now.adding(days: -10)
        let old = try await scene.sent(#"{"t":"\#(tenDaysAgo.rfc3339())","n":1}"#, secondsAgo: 9 * 86_400)
        try await scene.submit([old, try await scene.sent(scene.body(2))])
        try await scene.makeOptional()
        let access = TenantAccess(scene.fixture.database, tenant: scene.fixture.acme.id, slug: "acme", retentionDays: 7, actor: "key:x")
        let outcome = try await QuarantineReplay(access).all(QuarantineFilter())
        #expect((outcome.accepted, outcome.refused) == (1, 1))
        #expect(try await scene.fixture.migrated.psql("SELECT reason FROM quarantine") == "timestamp_out_of_range")
    }

    @Test func goesOnInBatches() async throws {
        let scene = try await Scene.make()
        var records: [WriteRecord] = []
        for number in 0..<7 { records.append(try await scene.sent(scene.body(number), secondsAgo: 1_800 - Double(number))) }
        try await scene.submit(records)
        try await scene.makeOptional()
        let replay = QuarantineReplay(scene.access)
        let first = try await replay.batch(QuarantineFilter(), after: nil, limit: 3, deadline: scene.fixture.deadline)
        #expect(first.accepted == 3 && first.next != nil)
        #expect(try await scene.counts().hasPrefix("3|4|"))
        let rest = try await replay.all(QuarantineFilter())
        #expect(rest.accepted == 4)
        #expect(try await scene.counts() == "7|0|0")
    }

    @Test func twoAtOnceDoubleNothing() async throws {
        let scene = try await Scene.make()
        var records: [WriteRecord] = []
        for number in 0..<200 { records.append(try await scene.sent(scene.body(number), secondsAgo: 1_800 - Double(number))) }
        try await scene.submit(records)
        try await scene.makeOptional()
        let outcomes = try await withThrowingTaskGroup(of: QuarantineReplay.Outcome.self) { group in
            for _ in 0..<3 { group.addTask { try await QuarantineReplay(scene.access).all(QuarantineFilter()) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.reduce(0) { $0 + $1.accepted } == 200)
        #expect(outcomes.reduce(0) { $0 + $1.duplicates } == 0)
        #expect(try await scene.counts() == "200|0|0")
    }

    @Test func findsTheSourceThatWasNotThereThen() async throws {
        let scene = try await Scene.make()
        let unknown = QuarantinedRecord(
            tenant: scene.fixture.acme.id,
            source: nil,
            versionNumber: nil,
            receivedAt: scene.fixture.now,
            reason: .unknownSource,
            body: Array(scene.body(1).utf8),
            sourceSlug: "late"
        )
        try await scene.submit([.quarantine(unknown)])
        #expect(try await QuarantineReplay(scene.access).all(QuarantineFilter()).refused == 1)
        _ = try await scene.fixture.administration.createSource(tenant: "acme", slug: "late", profile: .generic, schemaName: nil)
        #expect(try await QuarantineReplay(scene.access).all(QuarantineFilter(source: "late")).accepted == 1)
        #expect(try await scene.counts() == "1|0|0")
    }

    @Test func listsShowsAndForgets() async throws {
        let scene = try await Scene.make()
        for number in 0..<3 { try await scene.submit([try await scene.sent(scene.body(number), secondsAgo: 1_800 - Double(number))]) }
        let store = QuarantineStore(scene.access)
        let page = try await store.page(
            QuarantineFilter(reason: "missing_field", source: "default"),
            limit: 2,
            deadline: scene.fixture.deadline
        )
        #expect(page.rows.count == 2 && page.next != nil && page.rows.allSatisfy { $0.body.isEmpty && $0.schema == "s 1-0-0" })
        let rest = try await store.page(QuarantineFilter(), after: page.next, limit: 2, deadline: scene.fixture.deadline)
        #expect(rest.rows.count == 1 && rest.next == nil)
        let whole = try await store.record(rest.rows[0].id, deadline: scene.fixture.deadline)
        #expect(whole.map { String(decoding: $0.body, as: UTF8.self) } == scene.body(0))
        let operators = QuarantineStore(try await scene.fixture.administration.access(tenant: "acme"))
        func purge(_ filter: QuarantineFilter) async throws -> Int { try await operators.purge(filter, deadline: scene.fixture.deadline) }
        #expect(try await purge(QuarantineFilter(reason: "not_json")) == 0)
        #expect(try await purge(QuarantineFilter(to: rest.rows[0].receivedAt)) == 0)
        _ = try await scene.fixture.administration.holdTenant(slug: "acme", true)
        let held = await #expect(throws: StoreError.self) { try await purge(QuarantineFilter()) }
        #expect(held?.code == .notReady && held?.description.contains("acme is on legal hold") == true)
        _ = try await scene.fixture.administration.holdTenant(slug: "acme", false)
        #expect(try await purge(QuarantineFilter()) == 3)
        #expect(try await scene.counts() == "0|0|0")
    }

    /// The record is in one of the two places whenever the backend dies.
    @Test func losesAndDoublesNothingWhenItIsKilled() async throws {
        let scene = try await Scene.make()
        try await scene.submit([try await scene.sent(scene.body(1)), try await scene.sent(scene.body(2))])
        try await scene.makeOptional()
        let before = try await scene.counts()
        let blocker = try await scene.fixture.migrated.connect()
        let deadline = scene.fixture.deadline
        // Records are out of quarantine by the time their events wait for this.
        try await blocker.executeScript(
            "SET idle_in_transaction_session_timeout = 0; BEGIN; LOCK TABLE sluice.events IN EXCLUSIVE MODE",
            deadline: deadline
        )
        let replay = Task { try await QuarantineReplay(scene.access).all(QuarantineFilter()) }
        let waiting =
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND usename = 'sluice_api'"
        let isWaiting = try await eventually(within: .seconds(20)) { try await !scene.fixture.migrated.psql(waiting).isEmpty }
        #expect(isWaiting)
        try await scene.fixture.migrated.psql("SELECT pg_terminate_backend(pid) FROM (\(waiting)) w")
        await #expect(throws: (any Error).self) { try await replay.value }
        try await blocker.executeScript("ROLLBACK", deadline: deadline)
        #expect(try await scene.counts() == before)
        #expect(try await QuarantineReplay(scene.access).all(QuarantineFilter()).accepted == 2)
        #expect(try await scene.counts() == "2|0|0")
    }
}
