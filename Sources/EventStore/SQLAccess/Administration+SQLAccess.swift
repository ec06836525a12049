import EventCore
import Postgres

extension Administration {
    /// What a tenant's analysts have; nil: nothing.
    package func sqlAccess(tenant slug: String) async throws -> SQLAccess? {
        try await act(.readOnly) { connection, deadline in
            let tenant = try connection.findTenant(slug, deadline: deadline)
            return try connection.sqlAccess(of: tenant.id, deadline: deadline)
        }
    }

    /// Lets a tenant's analysts use SQL, or puts in order what they have: login, grants, settings and every view.
    ///
    /// - Parameter password: the login's new one; nil leaves it.
    /// - Throws: `StoreError`: `notReady` when the operator's login may not make roles, `alreadyExists` when somebody else's role or schema
    ///   has the name.
    package func openSQLAccess(tenant slug: String, _ settings: SQLAccessSettings, password: String?) async throws -> SQLAccess {
        try settings.check()
        let opened = try await act { [actor] connection, deadline in
            let tenant = try connection.lockTenant(slug, deadline: deadline)
            _ = try connection.execute(LockSchemas(tenant: tenant.id), deadline: deadline)
            let before = try connection.execute(FindSQLAccess(tenant: tenant.id), deadline: deadline).first
            guard password != nil || before != nil else {
                throw StoreError(.notFound, "\(slug) has no SQL access yet")
            }
            let sqlSchema = try before?.sqlSchema ?? connection.execute(SQLSchemaName(tenant: tenant.id), deadline: deadline).first ?? ""
            let login = before?.login ?? settings.login ?? SQLAccessSettings.usualLogin(sqlSchema: sqlSchema, tenant: tenant.id)
            if let wanted = settings.login, wanted != login {
                throw StoreError(.invalid, "\(slug)'s login is \(login); to give it another name, --revoke it first")
            }
            let analyst = AnalystLogin(
                name: login,
                tenant: slug,
                sqlSchema: sqlSchema,
                connections: settings.connections ?? before?.connections ?? SQLAccessSettings.usualConnections,
                timeout: settings.timeout ?? before?.timeout ?? SQLAccessSettings.usualTimeout
            )
            _ = try connection.execute(Role.login.query, deadline: deadline)
            try connection.make(analyst, password: password, deadline: deadline)
            let stillOpen = try connection.execute(ClosePublicRights(login: login), deadline: deadline).first ?? []
            _ = try connection.execute(Role.owner.query, deadline: deadline)
            let open = OpenSQLAccess(
                tenant: tenant.id,
                login: login,
                connections: analyst.connections,
                timeout: analyst.timeout,
                isRotated: password != nil
            )
            _ = try connection.execute(open, deadline: deadline)
            let access = TenantAccess(owner: connection, of: tenant, actor: actor)
            for view in try connection.execute(ListSQLViews(tenant: tenant.id), deadline: deadline) {
                _ = try connection.putSQLView(of: view.schemaName, for: access, deadline: deadline)
            }
            var changes = Changes()
            changes.note("login", from: before?.login, to: login)
            changes.note("connections", from: before?.connections, to: analyst.connections)
            changes.note("timeout", from: before?.timeout, to: analyst.timeout)
            if password != nil { changes.note("password", to: "new") }
            let action = before == nil ? "tenant.sql-access" : password == nil ? "tenant.sql-access.refresh" : "tenant.sql-access.rotate"
            _ = try connection.execute(
                RecordAct(tenant: tenant.id, actor: actor, action: action, target: slug, detail: changes.json),
                deadline: deadline
            )
            var opened = try connection.sqlAccess(of: tenant.id, deadline: deadline)
            opened?.stillOpen = stillOpen
            return opened
        }
        guard let opened else { throw StoreError(.notReady, "PostgreSQL returned no row for \(slug)") }
        // Whoever is in with the password before is not to stay.
        if password != nil { await endSessions(of: opened.login) }
        return opened
    }

    /// Takes SQL away from a tenant's analysts: sessions, login and views. First of all nobody can log in any more.
    ///
    /// - Throws: `StoreError` (`notReady`) when the operator's login may not drop the role, or when it has rights elsewhere: then it is
    ///   there still, and cannot log in.
    package func closeSQLAccess(tenant slug: String) async throws {
        let shut = try await act { connection, deadline -> SQLAccess in
            let tenant = try connection.lockTenant(slug, deadline: deadline)
            guard let access = try connection.execute(FindSQLAccess(tenant: tenant.id), deadline: deadline).first else {
                throw StoreError(.notFound, "\(slug) has no SQL access")
            }
            _ = try connection.execute(Role.login.query, deadline: deadline)
            if try connection.isThere(access, deadline: deadline) {
                try connection.asMaker(access.login) {
                    try connection.executeScript(
                        "ALTER ROLE \(quotedIdentifier(access.login)) NOLOGIN PASSWORD NULL",
                        deadline: deadline
                    )
                }
            }
            return access
        }
        await endSessions(of: shut.login)
        do {
            try await connection.asPatientOwner { [actor] connection, deadline in
                let tenant = try connection.lockTenant(slug, deadline: deadline)
                _ = try connection.execute(CloseSQLAccess(tenant: tenant.id), deadline: deadline)
                _ = try connection.execute(Role.login.query, deadline: deadline)
                if try connection.isThere(shut, deadline: deadline) {
                    try connection.asMaker(shut.login) {
                        try connection.executeScript("DROP ROLE \(quotedIdentifier(shut.login))", deadline: deadline)
                    }
                }
                _ = try connection.execute(Role.owner.query, deadline: deadline)
                var changes = Changes()
                changes.note("login", from: shut.login, to: String?.none)
                let act = RecordAct(
                    tenant: tenant.id,
                    actor: actor,
                    action: "tenant.sql-access.revoke",
                    target: slug,
                    detail: changes.json
                )
                _ = try connection.execute(act, deadline: deadline)
            }
        } catch let error as PostgresError where error.sqlState == .dependentObjectsStillExist {
            throw StoreError(
                .notReady,
                """
                \(shut.login) can log in no more, and stays: it has rights or possessions elsewhere, as sluice doctor tells; take them back \
                (DROP OWNED BY \(shut.login), in each database), then run this again
                """
            )
        }
    }

    /// Puts the views that are behind their schemas' newest versions, since something was in the way when these were published.
    ///
    /// - Returns: how many are in order now, and how many are behind still.
    package func putStaleSQLViews() async throws -> (put: Int, left: Int) {
        let stale = try await act(.readOnly) { connection, deadline in try connection.execute(StaleSQLViews(), deadline: deadline) }
        var left = 0
        for (slug, schemaName) in stale {
            let trouble = try await act { [actor] connection, deadline in
                let tenant = try connection.findTenant(slug, deadline: deadline)
                _ = try connection.execute(LockSchemas(tenant: tenant.id), deadline: deadline)
                let access = TenantAccess(owner: connection, of: tenant, actor: actor)
                return try connection.putSQLView(of: schemaName, for: access, deadline: deadline)
            }
            if trouble != nil { left += 1 }
        }
        return (stale.count - left, left)
    }

    /// As far as the operator may: a superuser, or a member of `pg_signal_backend`.
    private func endSessions(of login: String) async {
        _ = try? await connection.execute(EndSessions(login: login), deadline: .now + .seconds(10))
    }
}

extension Connection {
    fileprivate func sqlAccess(of tenant: TenantID, deadline: ContinuousClock.Instant) throws -> SQLAccess? {
        guard var access = try execute(FindSQLAccess(tenant: tenant), deadline: deadline).first else { return nil }
        access.views = try execute(ListSQLViews(tenant: tenant), deadline: deadline)
        return access
    }

    /// Whether the login of that name is the one that was made for the tenant.
    fileprivate func isThere(_ access: SQLAccess, deadline: ContinuousClock.Instant) throws -> Bool {
        let facts = try execute(LoginFacts(sqlSchema: access.sqlSchema, login: access.login), deadline: deadline).first
        guard let facts, facts.isLoginThere else { return false }
        return facts.loginMark == AnalystLogin.mark(tenant: access.tenant, database: facts.database)
    }
}
