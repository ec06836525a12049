package import EventCore
import Postgres

/// A tenant's schemas: what is published, what a document would change, and making it so.
package struct SchemaRegistry: Sendable {
    private let access: TenantAccess

    package init(_ access: TenantAccess) {
        self.access = access
    }

    /// What was applied.
    package struct Applied: Sendable {
        package let plan: SchemaPlan
        package let inForce: SchemaVersionRecord
        /// The view of the tenant's analysts could not be put in the new shape now: somebody is reading it, or it has others upon it.
        package var isViewBehind = false
    }

    /// The newest thousand of the published versions, or of those of one name: newest first. Their documents are empty unless asked for.
    package func versions(
        name: String? = nil,
        withDocuments: Bool = false,
        deadline: ContinuousClock.Instant
    ) async throws -> [SchemaVersionRecord] {
        try await list(ListSchemas(tenant: access.tenant, schemaName: name, withDocuments: withDocuments), deadline)
    }

    /// One published version with its document.
    ///
    /// - Parameter version: nil: the one in force.
    package func version(_ version: String?, of name: String, deadline: ContinuousClock.Instant) async throws -> SchemaVersionRecord? {
        try await list(ListSchemas(tenant: access.tenant, schemaName: name, version: version, limit: 1), deadline).first
    }

    private func list(_ query: ListSchemas, _ deadline: ContinuousClock.Instant) async throws -> [SchemaVersionRecord] {
        try await access.transaction(.readOnly, deadline: deadline) { [access] connection in
            try connection.take(.reading, of: access, deadline: deadline)
            return try connection.execute(query, deadline: deadline)
        }
    }

    /// What applying the document would do; changes nothing.
    ///
    /// - Throws: `StoreError` (`exhausted`) when a field can't be indexed.
    package func plan(_ document: SchemaDocument, deadline: ContinuousClock.Instant) async throws -> SchemaPlan {
        try await access.transaction(.readOnly, deadline: deadline) { [access] connection in
            try connection.plan(document, for: access, deadline: deadline)
        }
    }

    /// Puts a document in force, under a lock on the tenant's schemas: publishes a version that its difference numbers, gives new
    /// indexed fields their slots, and makes a tenant's first schema that of its source `default`. The same document as the newest
    /// version of its name changes nothing. The view of the tenant's analysts follows in the same transaction.
    ///
    /// - Throws: `StoreError`: `breaking` unless `allowBreaking`, `exhausted` when a field can't be indexed, `full` when the tenant has as
    ///   many versions, or as much text, as one may have.
    package func apply(
        _ document: SchemaDocument,
        allowBreaking: Bool,
        deadline: ContinuousClock.Instant
    ) async throws -> Applied {
        try await access.transaction(deadline: deadline) { [access] connection in
            try connection.take(.reading, of: access, deadline: deadline)
            _ = try connection.execute(LockSchemas(tenant: access.tenant), deadline: deadline)
            let plan = try connection.plan(document, for: access, deadline: deadline)
            if plan.isUnchanged, let before = plan.before { return Applied(plan: plan, inForce: before) }
            guard allowBreaking || !plan.isBreaking else { throw plan.refusal(tenant: access.slug) }
            if let room = try connection.execute(SchemaRoom(tenant: access.tenant), deadline: deadline).first {
                try room.check(document, tenant: access.slug)
            }
            try connection.take(.calling, of: access, deadline: deadline)
            let published = try connection.execute(PublishSchema(plan: plan, access: access), deadline: deadline)
            guard let inForce = published.first else {
                throw StoreError(.notReady, "\(document.name) was changed by another at the same moment; try again")
            }
            let trouble = try connection.putSQLView(of: inForce.name, for: access, deadline: deadline)
            return Applied(plan: plan, inForce: inForce, isViewBehind: trouble != nil)
        }
    }
}

extension Connection {
    fileprivate func plan(
        _ document: SchemaDocument,
        for access: TenantAccess,
        deadline: ContinuousClock.Instant
    ) throws -> SchemaPlan {
        try take(.reading, of: access, deadline: deadline)
        let before = try execute(ListSchemas(tenant: access.tenant, schemaName: document.name, limit: 1), deadline: deadline).first
        if let place = document.crowdedPlace, before?.checksum != document.checksum {
            throw StoreError(
                .invalid,
                "more than \(SchemaDocument.mostFieldsOfOnePlace) fields are read from `\(place)`, and each would store its value once more"
            )
        }
        let slots = SlotPlan(document, given: try execute(ListSlots(tenant: access.tenant), deadline: deadline))
        if let refusal = slots.refusal { throw StoreError(.exhausted, "\(access.slug): \(refusal)") }
        var version = SchemaVersion.first
        var change: SchemaChange?
        if let before {
            let difference = SchemaChange(from: try SchemaDocument(yaml: before.document), to: document)
            change = difference
            guard let last = SchemaVersion(before.version) else {
                throw StoreError(.notReady, "\(before.name) has a version that is none: \(before.version)")
            }
            version = difference.step.map(last.next) ?? last
        }
        let adopts = try execute(AwaitsFirstSchema(tenant: access.tenant), deadline: deadline).first ?? false
        return SchemaPlan(document: document, before: before, version: version, change: change, slots: slots, isAdopted: adopts)
    }
}
