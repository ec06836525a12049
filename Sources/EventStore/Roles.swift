import EventCore
import Postgres

/// The roles that a transaction takes; the login itself has no rights.
enum Role: String {
    case writer = "sluice_writer"
    case reader = "sluice_reader"
    case owner = "sluice_owner"
    /// The login itself, which may do nothing but call the functions that are granted to it.
    case login = "NONE"

    var query: Query { Query("SET LOCAL ROLE \(rawValue)") }
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

/// As `SetTenant`, and has what follows in this transaction planned by an index, without code that is compiled for each run.
///
/// PostgreSQL cannot know how much of a month row-level security leaves to see, and takes it for a two-hundredth. A value that a fifth of the rows
/// have then seems rare, and it would read and sort all of them for the newest hundred.
struct SetTenantAndPlanByIndex: Statement {
    static let name = "set_tenant_by_index"
    static let sql = "SELECT set_config('app.tenant', $1, true), \(settings)"
    static let settings =
        ["enable_bitmapscan", "enable_seqscan", "jit"].map { "set_config('\($0)', 'off', true)" }.joined(separator: ", ")

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(String(tenant.rawValue))
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

/// As `SetTenantAndPlanByIndex`, and the plan is made once a session.
struct SetTenantAndKeepPlan: Statement {
    static let name = "set_tenant_keep_plan"
    static let sql =
        "SELECT set_config('app.tenant', $1, true), set_config('plan_cache_mode', 'force_generic_plan', true), \(SetTenantAndPlanByIndex.settings)"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(String(tenant.rawValue))
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

/// Whether the login is, or may become, a role that row-level security does not bind: such an API must not start.
struct LoginRights: Statement {
    static let name = "login_rights"
    static let sql = """
        SELECT EXISTS (SELECT FROM pg_roles
                       WHERE (rolsuper OR rolbypassrls OR rolname = 'sluice_owner') AND pg_has_role(session_user, oid, 'MEMBER')),
               session_user::text
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> (isUnsafe: Bool, name: String) {
        (try row.decode(0), try row.decode(1))
    }
}
