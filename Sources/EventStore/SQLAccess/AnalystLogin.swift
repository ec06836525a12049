import Postgres

/// The role that a tenant's analysts log in as. It is a member of no role, and has nothing but the views.
struct AnalystLogin: Sendable {
    let name: String
    let tenant: String
    let sqlSchema: String
    let connections: Int
    /// Seconds.
    let timeout: Int

    /// The role's comment: roles belong to the cluster, and another database may have a tenant of the same name.
    static func mark(tenant: String, database: String) -> String {
        "sluice: SQL access of \(tenant) in the database \(database)"
    }

    /// Settings that a session begins with. They are for who means no harm: a login may set all of them as it likes, but for the last,
    /// which is a superuser's to set.
    func settings(isSuperuser: Bool) -> [(name: String, value: String)] {
        [
            ("default_transaction_read_only", "on"), ("statement_timeout", "'\(timeout)s'"),
            ("idle_in_transaction_session_timeout", "'60s'"), ("lock_timeout", "'10s'"), ("search_path", quotedIdentifier(sqlSchema)),
        ] + (isSuperuser ? [("temp_file_limit", "'4GB'")] : [])
    }
}

extension Connection {
    /// Makes the login and the schema, or puts them in order; as the operator's own login, since the owner makes no roles.
    func make(_ login: AnalystLogin, password: String?, deadline: ContinuousClock.Instant) throws {
        guard let facts = try execute(LoginFacts(sqlSchema: login.sqlSchema, login: login.name), deadline: deadline).first else {
            throw StoreError(.notReady, "PostgreSQL does not know the role that is logged in")
        }
        guard facts.mayMakeRoles else { throw StoreError.mayNotMakeRoles(facts.operatorName) }
        let mark = AnalystLogin.mark(tenant: login.tenant, database: facts.database)
        guard !facts.isLoginThere || facts.loginMark == mark else {
            throw StoreError(.alreadyExists, "there is a role \(login.name) already, made for something else; name another with --login")
        }
        if let owner = facts.schemaOwner {
            guard owner == "sluice_owner" else {
                throw StoreError(.alreadyExists, "there is a schema \(login.sqlSchema) already, of \(owner)'s; rename it, then again")
            }
        } else {
            guard facts.mayMakeSchemas else {
                throw StoreError(.notReady, "\(facts.operatorName) may make no schema here: GRANT CREATE ON DATABASE to it")
            }
        }
        guard facts.isLoginThere || password != nil else {
            throw StoreError(.notFound, "there is no role \(login.name) any more; --rotate makes it, with a new password")
        }
        var script: [String] = []
        if facts.schemaOwner == nil { script.append("CREATE SCHEMA \(quotedIdentifier(login.sqlSchema)) AUTHORIZATION sluice_owner") }
        let role = quotedIdentifier(login.name)
        if !facts.isLoginThere {
            script.append("CREATE ROLE \(role) NOINHERIT")
            script.append("COMMENT ON ROLE \(role) IS \(quotedLiteral(mark))")
        }
        let verifier = try password.map { try passwordVerifier($0, of: login.name, deadline: deadline) }
        script.append(
            "ALTER ROLE \(role) LOGIN NOINHERIT CONNECTION LIMIT \(login.connections)"
                + (verifier.map { " PASSWORD \(quotedLiteral($0))" } ?? "")
        )
        script.append("ALTER ROLE \(role) RESET ALL")
        for setting in login.settings(isSuperuser: facts.isSuperuser) {
            script.append("ALTER ROLE \(role) SET \(setting.name) = \(setting.value)")
        }
        try asMaker(facts.operatorName) { try executeScript(script.joined(separator: ";\n"), deadline: deadline) }
    }

    /// Explains a refusal of what only a maker of roles may do.
    func asMaker(_ name: String, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as PostgresError where error.sqlState == .insufficientPrivilege {
            throw StoreError.mayNotMakeRoles(name)
        }
    }
}

extension StoreError {
    fileprivate static func mayNotMakeRoles(_ name: String) -> StoreError {
        StoreError(
            .notReady,
            """
            a login is made, changed and dropped by a superuser or a role with CREATEROLE, and DATABASE_ADMIN_URL names none (\(name)): \
            nothing was done
            """
        )
    }
}
