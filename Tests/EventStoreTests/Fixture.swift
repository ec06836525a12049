import EventCore
import Foundation
import Postgres
import TestSupport
import Testing

@testable import EventStore

/// A migrated database with the tenants acme and globex, and the API's view of it.
struct Fixture {
    /// Every test's now; the database's own clock is the machine's, so months are counted from it.
    let now = Timestamp.now()
    let migrated: MigratedDatabase
    let database: Database
    let administration: Administration
    let acme: TenantRecord
    let globex: TenantRecord

    static func make() async throws -> Fixture {
        try await make(in: try await MigratedDatabase.make())
    }

    static func make(in migrated: MigratedDatabase) async throws -> Fixture {
        let administration = Administration(connection: try await migrated.connect(), actor: "test")
        return Fixture(
            migrated: migrated,
            database: Database(try ConnectionConfiguration(url: migrated.apiURL), maximumConnections: 4),
            administration: administration,
            acme: try await administration.createTenant(slug: "acme", name: "Acme", retentionDays: 3650),
            globex: try await administration.createTenant(slug: "globex", name: "Globex", retentionDays: 3650)
        )
    }

    /// Stores records a second after one another, as a tenant's source `default` takes them, or took them earlier.
    func store(_ records: [String], of tenant: TenantRecord, secondsAgo: Double, from earlier: Source? = nil) async throws {
        let current = try await source(tenant)
        let source = try #require(earlier ?? current)
        var mapper = RecordMapper()
        let events = try records.enumerated().map { place, record in
            let at = Timestamp(
                microsecondsSince1970: now.microsecondsSince1970 - Int64(((secondsAgo - Double(place)) * 1_000_000).rounded())
            )
            return try mapper.accept(
                Array(record.utf8),
                from: source,
                receivedAt: at,
                window: AcceptanceWindow(now: at, retentionDays: 3650)
            ).get()
        }
        _ = try await writer.store(events, deadline: deadline)
    }

    var deadline: ContinuousClock.Instant { .now + .seconds(60) }
    var writer: StoringWriter { StoringWriter(migrated: migrated) }
    var reader: EventReader { EventReader(database) }

    /// The tenant's source `default`, freshly loaded.
    func source(_ tenant: TenantRecord, _ slug: String = "default") async throws -> Source? {
        try await SourceDirectory(database, timeout: .seconds(5)).source(of: tenant.id) { $0.slug == slug }
    }

    /// An event of a tenant, `seconds` ago.
    func event(
        _ tenant: TenantRecord,
        secondsAgo seconds: Double = 0,
        name: String = "e",
        type: String? = nil,
        actor: String? = nil,
        machine: String? = nil,
        slots: [String?] = [],
        source: Int32 = 1,
        fields: String? = nil,
        explicitID: String? = nil,
        content: String? = nil
    ) -> AcceptedEvent {
        let occurredAt = Timestamp(microsecondsSince1970: now.microsecondsSince1970 - Int64(seconds * 1_000_000))
        let fingerprint = Fingerprint(hashing: Array("\(name)/\(tenant.slug)".utf8))
        return AcceptedEvent(
            id: EventID(occurredAt: occurredAt, fingerprint: fingerprint),
            explicitID: explicitID,
            contentDigest: content.map { Fingerprint(hashing: Array($0.utf8)) } ?? fingerprint,
            tenant: tenant.id,
            source: SourceID(rawValue: source),
            occurredAt: occurredAt,
            receivedAt: now,
            versionNumber: 0,
            type: type,
            actor: actor,
            machine: machine,
            slots: slots,
            fields: Array((fields ?? #"{"name":"\#(name)"}"#).utf8),
            extra: Array("{}".utf8),
            hasStableTime: true
        )
    }

    func page(
        _ tenant: TenantRecord,
        _ filter: EventFilter = EventFilter(),
        after: EventPosition? = nil,
        limit: Int = 100,
        retentionDays: Int = 3650,
        enough: ContinuousClock.Instant? = nil
    ) async throws -> EventPage {
        try await reader.page(
            of: tenant.id,
            retentionDays: retentionDays,
            filter: filter,
            after: after,
            limit: limit,
            now: now,
            enough: enough,
            deadline: deadline
        )
    }

    /// A record with a body that quarantine keeps.
    func refused(_ tenant: TenantRecord, body: String, source: Int32? = 1, secondsAgo seconds: Double = 0) -> QuarantinedRecord {
        QuarantinedRecord(
            tenant: tenant.id,
            source: source.map(SourceID.init(rawValue:)),
            versionNumber: 1,
            receivedAt: Timestamp(microsecondsSince1970: now.microsecondsSince1970 - Int64(seconds * 1_000_000)),
            reason: QuarantineReason(code: "missing_field", pointer: "/a", detail: "there is no such member"),
            body: Array(body.utf8)
        )
    }

    func names(_ page: EventPage) -> [String] {
        page.events.map { String(decoding: $0.fields, as: UTF8.self).split(separator: "\"").dropFirst(3).first.map(String.init) ?? "" }
    }
}

/// Lanes that run for as long as a test needs them.
struct StoringWriter {
    let migrated: MigratedDatabase

    /// Stores events of any tenants, each tenant's as one submission.
    @discardableResult
    func store(_ events: [AcceptedEvent], deadline: ContinuousClock.Instant) async throws -> [WriteOutcome] {
        try await withLanes { lanes in
            var outcomes: [WriteOutcome] = []
            for tenant in Set(events.map(\.tenant)) {
                let records = events.filter { $0.tenant == tenant }.map { WriteRecord.event($0) }
                outcomes += try await lanes.submit(records, tenant: tenant, deadline: deadline) { _ in [] }
            }
            return outcomes
        }
    }

    /// - Parameter gathering: whether a small batch under way keeps others waiting for it.
    func withLanes<T: Sendable>(
        _ settings: LaneSettings = LaneSettings(),
        url: String? = nil,
        gathering: Bool = true,
        _ body: @Sendable (Lanes) async throws -> T
    ) async throws -> T {
        var queue = settings.queue
        if !gathering { queue.worthALane = 1 }
        let lanes = Lanes(try ConnectionConfiguration(url: url ?? migrated.apiURL), queue: queue)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await lanes.run() }
            defer { lanes.stop() }
            return try await body(lanes)
        }
    }
}

let day: Double = 86_400
