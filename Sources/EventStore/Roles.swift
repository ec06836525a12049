import EventCore
import Postgres

/// The roles that a transaction takes; the login itself has no rights.
enum Role {
    static let writer = Query("SET LOCAL ROLE sluice_writer")
    static let reader = Query("SET LOCAL ROLE sluice_reader")
    static let owner = Query("SET LOCAL ROLE sluice_owner")
}

/// Names the tenant whose rows this transaction may read.
struct SetTenant: Statement {
    static let name = "set_tenant"
    static let sql = "SELECT set_config('app.tenant', $1, true)"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(String(tenant.rawValue))
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

/// What the login may do by itself: an API that could read every tenant must not start.
struct LoginRights: Statement {
    static let name = "login_rights"
    static let sql = """
        SELECT rolsuper OR rolbypassrls OR pg_has_role(session_user, 'sluice_owner', 'MEMBER'), session_user::text
        FROM pg_roles WHERE rolname = session_user
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> (isUnsafe: Bool, name: String) {
        (try row.decode(0), try row.decode(1))
    }
}
