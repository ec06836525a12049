package import Foundation

/// A private PostgreSQL cluster of this machine: one data directory, one server, reached over a Unix socket only.
///
/// The server is our child and ends with us, by a fast shutdown, even when we are killed with -9 (``SpawnerThread``).
package actor LocalCluster {
    package enum Durability: Sendable {
        /// What a commit acknowledged survives a power cut.
        case durable
        /// For tests: nothing is written through.
        case fast
    }

    package enum StopMode: Sendable {
        /// Ends sessions, writes a checkpoint.
        case fast
        /// Ends at once; the next start recovers.
        case immediate
    }

    package nonisolated let superuser: String
    package nonisolated let binaries: PostgresBinaries
    package nonisolated var socketDirectory: String { files.socketDirectory }
    package nonisolated var dataDirectory: String { files.data }
    package nonisolated var logFile: String { files.log }
    package nonisolated var account: ServiceAccount { files.account }

    nonisolated let files: ClusterFiles
    let durability: Durability
    private let peerRoles: [String]
    private let settings: ClusterSettings
    private var lock: ClusterLock?
    private var child: ChildProcess?
    private var busy = false

    /// - Parameters:
    ///   - directory: what ``location(home:account:)`` says; made on the first start, together with `data` in it.
    ///   - superuser: the role that `initdb` makes.
    ///   - peerRoles: roles besides the superuser which root, the user of this process and the service account may take without a
    ///     password. They need not exist yet.
    package init(
        directory: String,
        binaries: PostgresBinaries,
        account: ServiceAccount,
        superuser: String,
        peerRoles: [String],
        durability: Durability,
        maxConnections: Int = 100
    ) {
        self.files = ClusterFiles(directory: directory, account: account)
        self.binaries = binaries
        self.superuser = superuser
        self.peerRoles = peerRoles
        self.durability = durability
        self.settings = ClusterSettings(durability: durability, maxConnections: maxConnections)
    }

    /// `<home>/cluster`, or a folder in /var/lib/sluice when the service account cannot enter the home (root's own, usually).
    /// - Parameter home: absolute, the same spelling each time: the folder's name is made from it.
    package static func location(home: String, account: ServiceAccount) -> String {
        !account.differsFromSelf || account.canEnter(home) ? "\(home)/cluster" : "/var/lib/sluice/\(Paths.stableHash(home))"
    }

    /// For the user who runs this, root or the service account without a password when the role is a peer role.
    package nonisolated func url(role: String, database: String) -> String {
        func encoded(_ text: String) -> String {
            let plain = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
            return text.addingPercentEncoding(withAllowedCharacters: plain) ?? text
        }
        return "postgresql://\(encoded(role))@/\(encoded(database))?host=\(encoded(socketDirectory))&port=5432"
    }

    /// The server's process, also when it is no child of ours because somebody restarted it with pg_ctl; nil when none runs.
    package var postmasterPID: pid_t? { PostmasterFile.read(files)?.runningPID(files) }

    /// Returns when connections are accepted; makes the data directory on the first start.
    /// - Throws: ``LocalClusterError``, or `CancellationError` soon after the task is cancelled; nothing is left running then.
    ///   `alreadyRunning` at once when another process runs the cluster, `startFailed` with the end of PostgreSQL's log after
    ///   `deadline`, which has to cover crash recovery.
    package func start(deadline: Duration = .seconds(60)) async throws {
        guard !busy, child?.status != nil || child == nil else {
            throw LocalClusterError(.alreadyRunning, "The cluster in \(files.directory) has been started already: stop it first.")
        }
        busy = true
        defer { busy = false }
        try files.makeDirectory()
        // After a server that died we still hold it.
        let lock = try self.lock ?? ClusterLock(files)
        await endOrphan(lock)
        try await prepare()
        let child = try await launch(deadline: deadline)
        lock.record(postmaster: child.pid)
        self.child = child
        self.lock = lock
    }

    /// Returns when no server of this cluster runs any more. A fast stop becomes an immediate one after `grace`, and after as long
    /// again a SIGKILL. Finishes also when the task is cancelled. Does nothing when it was not us who started it.
    package func stop(_ mode: StopMode = .fast, grace: Duration = .seconds(6)) async throws {
        guard lock != nil else { return }
        let signals = mode == .fast ? [SIGINT, SIGQUIT, SIGKILL] : [SIGQUIT, SIGKILL]
        if let child {
            await Task { await Self.end(child, signals, grace: grace) }.value
        }
        // Somebody may have restarted it with pg_ctl: then it's not our child, but still ours to stop.
        if let other = PostmasterFile.read(files), let pid = other.runningPID(files) {
            await Task { await other.end(pid, signals, grace: grace, files) }.value
            if other.runningPID(files) != nil {
                throw LocalClusterError(
                    .stopFailed,
                    "PostgreSQL (process \(pid)) in \(files.data) does not end: stop it with kill -9 \(pid)."
                )
            }
        }
        child = nil
        files.removeDistantSocketDirectory()
        lock = nil
    }

    /// Returns when the server that ``start(deadline:)`` started has ended, whoever ended it; at once when none was started.
    @discardableResult
    package func exited() async -> ChildExit? {
        await child?.waitForExit()
    }

    private static func end(_ child: ChildProcess, _ signals: [Int32], grace: Duration) async {
        for signal in signals {
            child.signal(signal)
            if signal == SIGKILL { break }
            if await child.waitForExit(within: grace) != nil { return }
        }
        _ = await child.waitForExit()
    }

    /// A server that lost its parent is ending by itself, as a rule. But it may hang, or (PostgreSQL 15 in recovery) not heed its signal.
    private func endOrphan(_ lock: ClusterLock) async {
        guard let orphan = PostmasterFile.read(files), orphan.pid == lock.lastPostmaster, let pid = orphan.runningPID(files) else { return }
        await orphan.end(pid, [SIGINT, SIGQUIT, SIGKILL], grace: .seconds(5), files)
    }

    private func prepare() async throws {
        let users = Set([try ServiceAccount.ofThisProcess().name, "root", account.name]).sorted()
        let roles = [superuser] + peerRoles.filter { $0 != superuser }
        try files.makePrivate(files.socketDirectory)
        try files.write(settings.settings(files), to: files.settings)
        try files.write(ClusterSettings.access(roles), to: files.access)
        try files.write(ClusterSettings.identities(users: users, roles: roles), to: files.identities)
        try await makeDataDirectory()
    }
}
