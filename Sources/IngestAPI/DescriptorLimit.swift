import Glibc
import Logging

/// How many files and sockets this process may have open (RLIMIT_NOFILE).
enum DescriptorLimit {
    /// Of a server besides its clients' and its database's: its log, its event loops, its own listening sockets.
    private static let others = 32

    /// As many clients as there are descriptors for, at most `wanted`. One more would be accepted in vain, again and again, on a core of its own.
    ///
    /// - Parameter database: connections with PostgreSQL; each has a socket, and a descriptor by which it is woken.
    static func clients(_ wanted: Int, besides database: Int, _ logger: Logger) -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return wanted }
        if limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max
            _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            _ = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        let left = Int(clamping: limit.rlim_cur) - others - 2 * database
        guard left < wanted else { return wanted }
        let clients = max(left, 8)
        logger.warning(
            "Fewer connections than MAX_CONNECTIONS: raise LimitNOFILE or ulimit -n",
            metadata: ["connections": "\(clients)", "wanted": "\(wanted)"]
        )
        return clients
    }
}
