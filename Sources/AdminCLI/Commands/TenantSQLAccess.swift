import Access
import ArgumentParser
import EventCore
import EventStore

struct TenantSQLAccess: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sql-access",
        abstract: "Let a tenant's analysts read its events with SQL: a login that sees views of this tenant and nothing else.",
        discussion: """
            Makes a view for each of the tenant's schemas, kept in step with its newest version, and a login with a password that is shown \
            once. Run again it puts login, settings and views in order, and leaves the password. Takes a superuser, or a role with \
            CREATEROLE. Let pg_hba.conf admit the login to this database alone.
            """
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Option(help: "What to call the login (default: sluice_sql_ and the slug).")
    var login: String?

    @Option(help: "How many connections it may have at once (default: 5).")
    var connections: Int?

    @Option(help: "How long a statement of its may take unless it says otherwise, like 30s or 10m (default: 5m).")
    var timeout: TimeSpan?

    @Option(help: "A new file for the password, instead of showing it.", completion: .file())
    var passwordFile: String?

    @Flag(help: "Give the login a new password, and end its sessions.")
    var rotate = false

    @Flag(help: "Drop the login and the views, and end its sessions.")
    var revoke = false

    @OptionGroup var options: OutputOptions

    func validate() throws {
        guard !(rotate && revoke) else { throw ValidationError("Say one of --rotate and --revoke.") }
        guard !revoke || (login == nil && connections == nil && timeout == nil && passwordFile == nil) else {
            throw ValidationError("--revoke goes alone.")
        }
    }

    func run() async throws {
        if revoke { return try await takeAway() }
        let settings = SQLAccessSettings(login: login, connections: connections, timeout: timeout.map { Int(clamping: $0.seconds) })
        let (access, password) = try await AdminSettings().administer { administration in
            let isNew = try await administration.sqlAccess(tenant: tenant) == nil
            guard isNew || rotate else {
                guard passwordFile == nil else {
                    throw Failure("\(tenant)'s login has its password; --rotate makes a new one", exitCode: Failure.askedWrongly)
                }
                return (try await administration.openSQLAccess(tenant: tenant, settings, password: nil), String?.none)
            }
            let password = DatabasePassword.generate()
            // The file first: a password that is set and lost would be of no use.
            if let passwordFile { try SecretFile.create(passwordFile, text: password + "\n") }
            do {
                return (try await administration.openSQLAccess(tenant: tenant, settings, password: password), password)
            } catch {
                // After any other error it may be set all the same.
                if let passwordFile, error is StoreError || error is Failure { SecretFile.remove(passwordFile) }
                throw error
            }
        }
        try options.print(SQLAccessRow(access, password: passwordFile == nil ? password : nil, passwordFile: passwordFile))
        guard options.output == .table else { return }
        if password != nil, passwordFile == nil {
            Console.current.error("Keep the password now: it is not stored and cannot be shown again.")
        }
        for view in access.views where !view.isCurrent {
            Console.current.error("\(access.sqlSchema).\(view.name) is in use and could not be replaced; sluice maintain does it soon.")
        }
        if !access.stillOpen.isEmpty {
            Console.current.error(
                "PostgreSQL gives everybody \(access.stillOpen.joined(separator: ", ")); a superuser who runs this again takes that away."
            )
        }
    }

    private func takeAway() async throws {
        try options.confirm("Drop the login and the views of \(tenant)'s analysts")
        try await AdminSettings().administer { try await $0.closeSQLAccess(tenant: tenant) }
        try options.print(RevokedRow(tenant: tenant))
    }
}

private struct SQLAccessRow: Listing {
    let tenant: String
    let login: String
    @Nullable var password: String?
    @Nullable var passwordFile: String?
    let schema: String
    let views: [String]
    let connections: Int
    let timeoutSeconds: Int
    let createdAt: String
    let rotatedAt: String
    let stillOpen: [String]

    init(_ access: SQLAccess, password: String?, passwordFile: String?) {
        tenant = access.tenant
        login = access.login
        self.password = password
        self.passwordFile = passwordFile
        schema = access.sqlSchema
        views = access.views.map(\.name)
        connections = access.connections
        timeoutSeconds = access.timeout
        createdAt = access.createdAt.rfc3339()
        rotatedAt = access.rotatedAt.rfc3339()
        stillOpen = access.stillOpen
    }

    static let columns = ["tenant", "login", "password", "schema", "views", "connections", "timeout", "since", "password since"]
    var cells: [String] {
        [
            tenant, login, password ?? passwordFile.map { "in \($0)" } ?? "as it was", schema,
            views.isEmpty ? "none yet: it has no schema" : views.joined(separator: ", "), String(connections),
            TimeSpan(seconds: Int64(timeoutSeconds)).description, createdAt, rotatedAt,
        ]
    }
}

private struct RevokedRow: Listing {
    let tenant: String
    let sqlAccess = false

    static let columns = ["tenant", "SQL access"]
    var cells: [String] { [tenant, "no"] }
}
