import EventCore
import Postgres

/// A tenant's quarantine: looking into it, and forgetting. `QuarantineReplay` tries again.
package struct QuarantineStore: Sendable {
    private let access: TenantAccess

    package init(_ access: TenantAccess) {
        self.access = access
    }

    /// A page, newest first, without bodies.
    package func page(
        _ filter: QuarantineFilter,
        after: EventPosition? = nil,
        limit: Int,
        deadline: ContinuousClock.Instant
    ) async throws -> QuarantinePage {
        let query = SelectQuarantine(tenant: access.tenant, filter: filter, after: after, limit: limit + 1)
        let rows = try await read(query, deadline)
        return QuarantinePage(rows: Array(rows.prefix(limit)), next: rows.count > limit ? rows[limit - 1].position : nil)
    }

    /// One record, whole.
    package func record(_ id: QuarantineNumber, deadline: ContinuousClock.Instant) async throws -> QuarantinedRow? {
        let filter = QuarantineFilter(id: id)
        return try await read(SelectQuarantine(tenant: access.tenant, filter: filter, withBody: true, limit: 1), deadline).first
    }

    /// Forgets records for good, batch by batch; how many. For the operator alone.
    ///
    /// - Throws: `StoreError` (`notReady`) when the tenant is on hold.
    package func purge(_ filter: QuarantineFilter, deadline: ContinuousClock.Instant) async throws -> Int {
        try await access.transaction(deadline: deadline) { [access] connection in
            try connection.take(.writing, of: access, deadline: deadline)
            try connection.refuseHold(of: access.tenant, called: access.slug, deadline: deadline)
        }
        var purged = 0
        do {
            while let rows = try await purgeBatch(filter, deadline) { purged += rows }
        } catch {
            try? await recordPurge(of: purged, deadline)
            throw error
        }
        try await recordPurge(of: purged, deadline)
        return purged
    }

    /// Nil when there is nothing left.
    private func purgeBatch(_ filter: QuarantineFilter, _ deadline: ContinuousClock.Instant) async throws -> Int? {
        let rows = try await read(SelectQuarantine(tenant: access.tenant, filter: filter, limit: Self.purgeBatch), deadline)
        guard !rows.isEmpty else { return nil }
        return try await access.transaction(deadline: deadline) { [access] connection in
            try connection.take(.writing, of: access, deadline: deadline)
            try connection.refuseHold(of: access.tenant, called: access.slug, deadline: deadline)
            return try connection.execute(ReleaseRefused(tenant: access.tenant, rows: rows), deadline: deadline).count
        }
    }

    private func recordPurge(of records: Int, _ deadline: ContinuousClock.Instant) async throws {
        try await access.record("quarantine.purge", on: access.slug, #"{"records":\#(records)}"#, deadline: deadline)
    }

    private static let purgeBatch = 1_000

    private func read(_ query: SelectQuarantine, _ deadline: ContinuousClock.Instant) async throws -> [QuarantinedRow] {
        try await access.transaction(.readOnly, deadline: deadline) { [access] connection in
            try connection.take(.reading, of: access, deadline: deadline)
            return try connection.execute(query, deadline: deadline)
        }
    }
}

extension TenantAccess {
    /// Leaves a line in the audit log.
    ///
    /// - Parameter detail: a JSON object without secrets.
    func record(_ action: String, on target: String, _ detail: String, deadline: ContinuousClock.Instant) async throws {
        let act = CallRecordAct(access: self, action: action, target: target, detail: JSONB(detail))
        try await transaction(deadline: deadline) { connection in
            try connection.take(.calling, of: self, deadline: deadline)
            _ = try connection.execute(act, deadline: deadline)
        }
    }
}
