import EventCore
import Postgres

extension Statements {
    static let sqlAccess: [any Statement.Type] = [
        HasSQLAccess.self, PutSQLView.self, FindSQLAccess.self, SQLSchemaName.self, LoginFacts.self, OpenSQLAccess.self,
        CloseSQLAccess.self, ClosePublicRights.self, ListSQLViews.self, StaleSQLViews.self, EndSessions.self,
    ]
}

struct FindSQLAccess: Statement {
    static let name = "find_sql_access"
    static let sql = """
        SELECT t.slug, a.login, a.schema_name, a.connections, date_part('epoch', a.timeout)::int, a.created_at, a.rotated_at
        FROM sluice.sql_access a JOIN sluice.tenants t USING (tenant_id) WHERE a.tenant_id = $1
        """

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> SQLAccess {
        SQLAccess(
            tenant: try row.decode(0),
            login: try row.decode(1),
            sqlSchema: try row.decode(2),
            connections: Int(try row.decode(3, as: Int32.self)),
            timeout: Int(try row.decode(4, as: Int32.self)),
            createdAt: try row.timestamp(5),
            rotatedAt: try row.timestamp(6)
        )
    }
}

struct SQLSchemaName: Statement {
    static let name = "sql_schema_name"
    static let sql = "SELECT sluice.sql_schema_name($1)"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> String { try row.decode(0) }
}

/// What the operator's own login may do, and what is there under a login's and a schema's names.
struct LoginFacts: Statement {
    struct Facts: Sendable {
        let operatorName: String
        let isSuperuser: Bool
        let mayMakeRoles: Bool
        let mayMakeSchemas: Bool
        let database: String
        /// Nil: there is no such schema.
        let schemaOwner: String?
        let isLoginThere: Bool
        /// Its comment, by which ours are known.
        let loginMark: String?
    }

    static let name = "login_facts"
    static let sql = """
        SELECT r.rolname::text, r.rolsuper, r.rolsuper OR r.rolcreaterole,
               has_database_privilege(r.oid, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()), 'CREATE'),
               current_database()::text,
               (SELECT pg_get_userbyid(n.nspowner)::text FROM pg_namespace n WHERE n.nspname = $1),
               EXISTS (SELECT FROM pg_roles l WHERE l.rolname = $2),
               (SELECT shobj_description(l.oid, 'pg_authid') FROM pg_roles l WHERE l.rolname = $2)
        FROM pg_roles r WHERE r.rolname = current_user
        """

    let sqlSchema: String
    let login: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(sqlSchema)
        bindings.append(login)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Facts {
        Facts(
            operatorName: try row.decode(0),
            isSuperuser: try row.decode(1),
            mayMakeRoles: try row.decode(2),
            mayMakeSchemas: try row.decode(3),
            database: try row.decode(4),
            schemaOwner: try row.decodeIfPresent(5),
            isLoginThere: try row.decode(6),
            loginMark: try row.decodeIfPresent(7)
        )
    }
}

struct OpenSQLAccess: Statement {
    static let name = "open_sql_access"
    static let sql = "SELECT sluice.open_sql_access($1, $2, $3, make_interval(secs => $4::int), $5)"

    let tenant: TenantID
    let login: String
    let connections: Int
    let timeout: Int
    let isRotated: Bool

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
        bindings.append(login)
        bindings.append(Int32(clamping: connections))
        bindings.append(Int32(clamping: timeout))
        bindings.append(isRotated)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

struct CloseSQLAccess: Statement {
    static let name = "close_sql_access"
    static let sql = "SELECT sluice.close_sql_access($1)"

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) {}
}

/// What is still open to the login afterwards.
struct ClosePublicRights: Statement {
    static let name = "close_public_rights"
    static let sql = "SELECT sluice.close_public_rights($1)"

    let login: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(login)
    }

    static func decode(_ row: Row) throws(PostgresError) -> [String] { try row.decodeArray(0, of: String.self) }
}

struct ListSQLViews: Statement {
    static let name = "list_sql_views"
    static let sql = """
        SELECT v.view_name, v.schema_name, v.is_current FROM sluice.sql_views() v WHERE v.tenant_id = $1 ORDER BY v.view_name
        """

    let tenant: TenantID

    func bind(_ bindings: inout Bindings) {
        bindings.append(tenant.rawValue)
    }

    static func decode(_ row: Row) throws(PostgresError) -> SQLAccess.View {
        SQLAccess.View(name: try row.decode(0), schemaName: try row.decode(1), isCurrent: try row.decode(2))
    }
}

/// Views that are behind, where there is a schema for them.
struct StaleSQLViews: Statement {
    static let name = "stale_sql_views"
    static let sql = """
        SELECT t.slug, v.schema_name
        FROM sluice.sql_views() v JOIN sluice.tenants t USING (tenant_id)
        WHERE NOT v.is_current AND EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = v.sql_schema)
        ORDER BY 1, 2
        """

    func bind(_ bindings: inout Bindings) {}

    static func decode(_ row: Row) throws(PostgresError) -> (tenant: String, schemaName: String) {
        (try row.decode(0), try row.decode(1))
    }
}

struct EndSessions: Statement {
    static let name = "end_sessions"
    static let sql = "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE a.usename = $1"

    let login: String

    func bind(_ bindings: inout Bindings) {
        bindings.append(login)
    }

    static func decode(_ row: Row) throws(PostgresError) -> Bool { try row.decode(0) }
}
