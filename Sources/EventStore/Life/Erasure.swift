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

    /// Deletes one subject's events, the ids that their senders chose, and refused records whose body holds the subject as a JSON string; of a machine, also
    /// that it was seen using a superseded key. The audit log is told before the first row goes, and of what went, however it ends.
    ///
    /// - Throws: `StoreError` (`notReady`) when the tenant is on hold, or is put on hold meanwhile.
    package func eraseSubject(_ subject: Subject, of slug: String) async throws -> ErasedRows {
        let tenant = try await find(slug)
        var about = Changes()
        about.note("subject", to: subject.digest)
        let begun = RecordAct(tenant: tenant.id, actor: actor, action: "events.delete.begin", target: "subject", detail: about.json)
        try await connection.asPatientOwner { connection, deadline in
            try connection.refuseHold(of: tenant.id, called: slug, deadline: deadline)
            _ = try connection.execute(begun, deadline: deadline)
        }
        var erased = ErasedRows()
        do {
            try await erase(subject, of: tenant, &erased)
        } catch {
            // It is told what went wrong, whether or not this can be written down.
            try? await record(erased, subject, of: tenant.id, isComplete: false)
            guard (error as? PostgresError)?.isHold == true else { throw error }
            throw StoreError.onHold(
                slug,
                before: " any more: it stopped after \(erased.events) events and \(erased.refused) refused records"
            )
        }
        try await record(erased, subject, of: tenant.id, isComplete: true)
        return erased
    }

    /// Counts as it goes, so that what was done is known when one batch fails.
    private func erase(_ subject: Subject, of tenant: TenantRecord, _ erased: inout ErasedRows) async throws {
        // Month by month: the planner is never shown more than one of them.
        for month in try await months(.events) where month.since < subject.window.upperBound && month.until > subject.window.lowerBound {
            let statement = EraseSubject(
                tenant: tenant.id,
                subject: subject,
                window: max(month.since, subject.window.lowerBound)..<min(month.until, subject.window.upperBound),
                batch: batch
            )
            while let rows = try await erase(statement), rows.events > 0 {
                erased.events += Int(rows.events)
                erased.rememberedIDs += Int(rows.rememberedIDs)
            }
        }
        let refused = EraseRefused(tenant: tenant.id, subject: subject, batch: batch)
        while let rows = try await erase(refused), rows > 0 { erased.refused += Int(rows) }
        // A person's events on a device leave the device's other ones.
        guard let machine = subject.machine, subject.actor == nil else { return }
        _ = try await erase(EraseSender(tenant: tenant.id, machine: machine))
    }

    private func erase<S: Statement>(_ statement: S) async throws -> S.Output? {
        try await connection.batch { connection, deadline in try connection.execute(statement, deadline: deadline).first }
    }

    private func record(_ erased: ErasedRows, _ subject: Subject, of tenant: TenantID, isComplete: Bool) async throws {
        var changes = Changes()
        changes.note("subject", to: subject.digest)
        changes.note("events", to: erased.events)
        changes.note("refused", to: erased.refused)
        changes.note("remembered_ids", to: erased.rememberedIDs)
        if !isComplete { changes.note("complete", to: false) }
        let act = RecordAct(tenant: tenant, actor: actor, action: "events.delete", target: "subject", detail: changes.json)
        try await connection.asOwner { connection, deadline in _ = try connection.execute(act, deadline: deadline) }
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

    private static func explainingHolds<T: Sendable>(_ slug: String, _ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch let error as PostgresError where error.isHold {
            throw StoreError.onHold(slug)
        }
    }
}
