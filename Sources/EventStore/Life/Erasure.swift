import EventCore
package import Postgres

/// What was erased.
package struct ErasedRows: Sendable, Equatable {
    package var events = 0
    package var refused = 0
    package var rememberedIDs = 0

    package init() {}
}

/// Deletes a subject's events, or all of a tenant, before their time. In small batches; called again after an interruption it goes on.
package struct Erasure: Sendable {
    let connection: Connection
    let actor: AuditActor
    let batch: Int32

    /// - Parameter connection: of a superuser or a member of `sluice_owner`.
    package init(_ connection: Connection, actor: AuditActor, batch: Int32 = 2_000) {
        self.connection = connection
        self.actor = actor
        self.batch = batch
    }

    /// Deletes one subject's events, the ids that their senders chose, and refused records whose body holds the subject as a JSON string.
    ///
    /// - Throws: `StoreError` (`notReady`) when the tenant is on hold.
    package func eraseSubject(_ subject: Subject, of slug: String) async throws -> ErasedRows {
        try await Self.explainingHolds(slug) {
            let tenant = try await find(slug)
            var erased = ErasedRows()
            // Month by month: the planner is never shown more than one of them.
            for month in try await months(.events) where month.since < subject.window.upperBound && month.until > subject.window.lowerBound
            {
                let statement = EraseEvents(
                    tenant: tenant.id,
                    subject: subject,
                    window: max(month.since, subject.window.lowerBound)..<min(month.until, subject.window.upperBound),
                    batch: batch
                )
                erased.events += try await connection.inBatches { connection, deadline in
                    try connection.execute(statement, deadline: deadline).first ?? 0
                }
            }
            let refused = EraseRefused(tenant: tenant.id, subject: subject, batch: batch)
            erased.refused = try await connection.inBatches { connection, deadline in
                try connection.execute(refused, deadline: deadline).first ?? 0
            }
            var changes = Changes()
            changes.note("subject", to: subject.digest)
            changes.note("events", to: erased.events)
            changes.note("refused", to: erased.refused)
            try await record("events.delete", tenant: tenant.id, target: "subject", changes)
            return erased
        }
    }

    /// Deletes a tenant and all that is its own but for its lines in the audit log. Keys and issuers go first, so nothing new comes in, and the
    /// login of its analysts; what was in flight then is deleted by the next retention run.
    ///
    /// - Throws: `StoreError` (`notReady`) when the tenant is on hold.
    package func deleteTenant(slug: String) async throws -> ErasedRows {
        try await Self.explainingHolds(slug) {
            let tenant = try await find(slug)
            let begun = RecordAct(tenant: tenant.id, actor: actor, action: "tenant.delete.begin", target: slug)
            try await connection.asPatientOwner { connection, deadline in
                _ = try connection.execute(BeginErasingTenant(tenant: tenant.id), deadline: deadline)
                _ = try connection.execute(begun, deadline: deadline)
            }
            // A tenant that is being deleted shows its analysts nothing as it is.
            let administration = Administration(connection: connection, actor: actor)
            if try await administration.sqlAccess(tenant: slug) != nil { try await administration.closeSQLAccess(tenant: slug) }
            var erased = ErasedRows()
            erased.events = try await empty("events", tenant.id)
            erased.refused = try await empty("quarantine", tenant.id)
            erased.rememberedIDs = try await empty("remembered_ids", tenant.id)
            var changes = Changes()
            changes.note("events", to: erased.events)
            changes.note("refused", to: erased.refused)
            changes.note("remembered_ids", to: erased.rememberedIDs)
            let done = RecordAct(tenant: tenant.id, actor: actor, action: "tenant.delete", target: slug, detail: changes.json)
            try await connection.asPatientOwner { connection, deadline in
                _ = try connection.execute(FinishErasingTenant(tenant: tenant.id), deadline: deadline)
                _ = try connection.execute(done, deadline: deadline)
            }
            return erased
        }
    }

    private func empty(_ table: String, _ tenant: TenantID) async throws -> Int {
        let statement = EraseTenantRows(tenant: tenant, table: table, batch: batch)
        return try await connection.inBatches { connection, deadline in
            try connection.execute(statement, deadline: deadline).first ?? 0
        }
    }

    private func find(_ slug: String) async throws -> TenantRecord {
        try await connection.asOwner(.readOnly) { connection, deadline in try connection.findTenant(slug, deadline: deadline) }
    }

    private func months(_ parent: PartitionRecord.Parent) async throws -> [PartitionRecord] {
        try await connection.asOwner(.readOnly) { connection, deadline in
            try connection.execute(ListPartitions(), deadline: deadline).filter { $0.parent == parent && $0.state == .attached }
        }
    }

    private func record(_ action: String, tenant: TenantID, target: String, _ changes: Changes) async throws {
        let act = RecordAct(tenant: tenant, actor: actor, action: action, target: target, detail: changes.json)
        try await connection.asOwner { connection, deadline in _ = try connection.execute(act, deadline: deadline) }
    }

    private static func explainingHolds<T: Sendable>(_ slug: String, _ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch let error as PostgresError where error.isHold {
            throw StoreError(.notReady, "\(slug) is on legal hold, so nothing of it is deleted; sluice tenant release \(slug) ends that")
        }
    }
}
