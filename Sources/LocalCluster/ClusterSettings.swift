/// The configuration that Sluice writes for its private PostgreSQL, anew on every start.
struct ClusterSettings: Sendable {
    var durability: LocalCluster.Durability
    var maxConnections: Int

    func settings(_ files: ClusterFiles) -> String {
        """
        # Written by Sluice at every start: changes here are lost. Yours belong into postgresql.conf, below its include of this file.
        listen_addresses = ''
        port = 5432
        unix_socket_directories = \(Self.quoted("\"" + files.socketDirectory.replacing("\"", with: "\"\"") + "\""))
        unix_socket_permissions = 0700
        hba_file = \(Self.quoted(files.access))
        ident_file = \(Self.quoted(files.identities))
        max_connections = \(maxConnections)
        superuser_reserved_connections = 3
        shared_buffers = 128MB
        password_encryption = scram-sha-256
        timezone = 'UTC'
        log_timezone = 'UTC'

        # A client that is gone, or that sits on a transaction, gives its locks back.
        idle_in_transaction_session_timeout = 5s
        tcp_keepalives_idle = 30
        tcp_keepalives_interval = 10
        tcp_keepalives_count = 3

        # Customers' data must not reach the log: no statements, no parameters, no error messages (which quote values; the client gets
        # them), and of the rest no detail (which quotes the statement that was running in a crash).
        log_destination = 'stderr'
        logging_collector = off
        log_line_prefix = '%m [%p] '
        lc_messages = 'C'
        log_min_messages = log
        log_min_error_statement = panic
        log_error_verbosity = terse
        log_statement = none
        log_min_duration_statement = -1
        log_parameter_max_length = 0
        log_parameter_max_length_on_error = 0

        \(durabilitySettings)

        """
    }

    private var durabilitySettings: String {
        switch durability {
        case .durable:
            """
            fsync = on
            synchronous_commit = on
            full_page_writes = on
            # A segment of the log that has to be made holds up every commit for as long as writing 16 MB takes; old ones are kept and used again.
            max_wal_size = 1GB
            min_wal_size = 1GB
            # Marking the pages of what was inserted is in no hurry; at the default of 2 ms commits beside it take twice as long.
            autovacuum_vacuum_cost_delay = 20ms
            """
        case .fast:
            """
            # For tests: what a machine's crash leaves is thrown away.
            fsync = off
            synchronous_commit = off
            full_page_writes = off
            """
        }
    }

    /// Only over the socket: the OS users of the map become the roles given, everyone else needs a password.
    static func access(_ roles: [String]) -> String {
        """
        # Written by Sluice at every start: changes here are lost.
        local all \(roles.map(quotedName).joined(separator: ",")) peer map=sluice
        local all all scram-sha-256

        """
    }

    static func identities(users: [String], roles: [String]) -> String {
        let lines = users.flatMap { user in roles.map { "sluice \(quotedName(user)) \(quotedName($0))" } }
        return "# Written by Sluice at every start: changes here are lost.\n" + lines.joined(separator: "\n") + "\n"
    }

    static func quoted(_ value: String) -> String {
        "'" + value.replacing("\\", with: "\\\\").replacing("'", with: "''") + "'"
    }

    /// In pg_hba.conf and pg_ident.conf quotes take a word's special meaning (`all`, `+group`) away.
    private static func quotedName(_ name: String) -> String {
        "\"" + name.replacing("\"", with: "\"\"") + "\""
    }
}
