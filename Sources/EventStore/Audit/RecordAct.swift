import EventCore
import Postgres

/// One act, for the audit log; in the transaction of the act itself, so that neither is there without the other.
struct RecordAct: Statement {
    static let name = "record_act"
    static let sql = """
        INSERT INTO sluice.audit_log (tenant_id, actor, address, action, target, detail) VALUES ($1, $2, $3, $4, $5, $6)
        """

    let tenant: TenantID
    let actor: AuditActor
    /// `tenant.create` and the like.
    let action: String
    let target: String
    /// A JSON object without secrets, as ``Changes`` writes it.
    var detail = JSONB("{}")

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(actor.name)
        bindings.append(actor.address)
        bindings.append(action)
        bindings.append(target)
        bindings.append(detail)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}
