package import EventCore
import Postgres

/// A tenant, and since when nothing of it may be purged.
package struct TenantHold: Sendable, Equatable {
    package let slug: String
    /// Nil: it is not on hold.
    package let heldAt: Timestamp?
}

extension Administration {
    /// Puts a tenant on legal hold, or ends that. Nothing of a tenant on hold is purged, erased or deleted; what has expired stays invisible.
    /// Doing it again changes nothing. A purge that is under way either sees the hold or is over when this returns.
    package func holdTenant(slug: String, _ held: Bool) async throws -> TenantHold {
        try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(slug, deadline: deadline)
            guard let before = try connection.execute(ReadHold(tenant: tenant.id), deadline: deadline).first else {
                throw StoreError(.notFound, "there is no tenant \(slug); sluice tenant list shows all")
            }
            guard (before.heldAt != nil) != held else { return before }
            guard let after = try connection.execute(HoldTenant(tenant: tenant.id, held: held), deadline: deadline).first else {
                throw StoreError(.notReady, "PostgreSQL returned no row for \(slug)")
            }
            var changes = Changes()
            changes.note("held", from: !held, to: held)
            let act = RecordAct(
                tenant: tenant.id,
                actor: actor,
                action: held ? "tenant.hold" : "tenant.release",
                target: slug,
                detail: changes.json
            )
            _ = try connection.execute(act, deadline: deadline)
            return after
        }
    }
}

/// Locks a tenant's row against a hold until the transaction ends, unless there is one: then there is no row.
struct LockUnheld: Statement {
    static let name = "lock_unheld"
    static let sql = "SELECT true FROM sluice.tenants WHERE tenant_id = $1 AND held_at IS NULL FOR SHARE"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Bool { try row.decode(0) }
}

extension Connection {
    /// To be called before anything of a tenant is deleted, in the same transaction and as the owner.
    ///
    /// - Throws: `StoreError` (`notReady`) when the tenant is on hold.
    func refuseHold(of tenant: TenantID, called slug: String, deadline: ContinuousClock.Instant) throws {
        guard try execute(LockUnheld(tenant: tenant), deadline: deadline).isEmpty else { return }
        throw StoreError.onHold(slug)
    }
}

extension StoreError {
    /// - Parameter before: what was done by then, as a sentence of its own.
    static func onHold(_ slug: String, before: String = "") -> StoreError {
        StoreError(.notReady, "\(slug) is on legal hold, so nothing of it is deleted\(before); sluice tenant release \(slug) ends that")
    }
}

struct ReadHold: Statement {
    static let name = "read_hold"
    static let sql = "SELECT slug, held_at FROM sluice.tenants WHERE tenant_id = $1"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> TenantHold {
        TenantHold(slug: try row.decode(0), heldAt: try row.timestampIfPresent(1))
    }
}

struct HoldTenant: Statement {
    static let name = "hold_tenant"
    static let sql = """
        UPDATE sluice.tenants SET held_at = CASE WHEN $2 THEN now() END WHERE tenant_id = $1 RETURNING slug, held_at
        """

    let tenant: TenantID
    let held: Bool

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(held)
    }

    static func decode(_ row: Row) throws(PostgresError) -> TenantHold { try ReadHold.decode(row) }
}
