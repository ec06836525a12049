internal import Foundation

extension LocalCluster {
    /// How long the backends of a server that was killed may take to end, or a server that somebody else stops.
    private static let orphanLimit: Duration = .seconds(15)

    /// Runs `initdb` beside the data directory and moves the result into place, so that a kill leaves nothing half made.
    func makeDataDirectory() async throws {
        if let bytes = FileManager.default.contents(atPath: "\(files.data)/PG_VERSION") {
            let version = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
            guard version == String(binaries.major) else {
                throw LocalClusterError(
                    .versionMismatch,
                    "\(files.data) was made by PostgreSQL \(version), but \(binaries.folder) has \(binaries.major): set "
                        + "SLUICE_BIN_POSTGRES to the folder of PostgreSQL \(version), or restore a backup into a new SLUICE_HOME."
                )
            }
            return
        }
        try? FileManager.default.removeItem(atPath: files.unfinished)
        try files.makePrivate(files.unfinished)
        let flags = [
            "--pgdata", files.unfinished, "--username", superuser, "--encoding", "UTF8", "--locale", Self.locale,
            "--auth-local", "peer", "--auth-host", "scram-sha-256", "--data-checksums", "--no-instructions",
        ]
        try await runAsAccount(binaries.path("initdb"), flags + (durability == .fast ? ["--no-sync"] : []))
        // As the account, in whose directory root should not write.
        let script = "printf '\\n%s\\n' \"include = '../sluice.conf'\" >> \"$0\""
        try await runAsAccount("/bin/sh", ["-c", script, "\(files.unfinished)/postgresql.conf"])
        guard rename(files.unfinished, files.data) == 0 else { throw files.cannotWrite(files.data) }
    }

    /// Character order by code point, the same on every machine.
    private static var locale: String {
        guard let found = newlocale(LC_CTYPE_MASK, "C.UTF-8", nil) else { return "C" }
        freelocale(found)
        return "C.UTF-8"
    }

    private func runAsAccount(_ program: String, _ arguments: [String]) async throws {
        let command = ChildCommand(
            program,
            arguments,
            environment: serverEnvironment,
            directory: "/",
            signalOnParentDeath: .terminate,
            account: account
        )
        let result = try await ProcessSpawner.shared.run(command)
        guard result.status == .exited(0) else {
            throw LocalClusterError(
                .spawnFailed,
                "\(program) failed (\(result.status)); free some disk space or correct what it says:\n\(result.output.suffix(2000))"
            )
        }
    }

    private var serverEnvironment: [String: String] {
        ["PATH": "\(binaries.folder):/usr/bin:/bin", "HOME": account.home, "LC_ALL": Self.locale, "TZ": "UTC"]
    }

    /// Starts the server and waits until it is ready. Processes of the one before may still be ending: PostgreSQL then refuses, and we
    /// try again.
    func launch(deadline: Duration) async throws -> ChildProcess {
        let clock = ContinuousClock()
        let begin = clock.now
        while true {
            rotateLog()
            let offset = files.logSize
            let command = ChildCommand(
                binaries.path("postgres"),
                ["-D", files.data],
                environment: serverEnvironment,
                directory: "/",
                output: .appended(to: files.log),
                signalOnParentDeath: .interrupt,
                account: account
            )
            let child = try await ProcessSpawner.shared.spawn(command)
            let ready: Bool
            do {
                ready = try await waitUntilReady(child, until: begin.advanced(by: deadline))
            } catch {
                await child.terminate(signal: SIGQUIT, grace: .seconds(5))
                throw error
            }
            if ready { return child }
            let status = await child.terminate(signal: SIGQUIT, grace: .seconds(5))
            let log = files.logTail(from: offset)
            if Self.saysStillRunning(log) {
                if begin.duration(to: clock.now) < Self.orphanLimit {
                    try await Task.sleep(for: .milliseconds(100))
                    continue
                }
                throw LocalClusterError(
                    .alreadyRunning,
                    "Another PostgreSQL runs in \(files.data): stop it with pg_ctl stop -D \(files.data). It was not started by sluice up, "
                        + "or does not end:\n\(log)"
                )
            }
            throw LocalClusterError(
                .startFailed,
                "PostgreSQL in \(files.data) did not get ready (\(status)); correct what its log \(files.log) says:\n\(log)"
            )
        }
    }

    /// False when it ended instead, or the time is over.
    private func waitUntilReady(_ child: ChildProcess, until limit: ContinuousClock.Instant) async throws -> Bool {
        while ContinuousClock.now < limit {
            try Task.checkCancellation()
            if let file = PostmasterFile.read(files), file.pid == child.pid, file.isReady { return true }
            if await child.waitForExit(within: .milliseconds(20)) != nil { return false }
        }
        return false
    }

    private static func saysStillRunning(_ log: String) -> Bool {
        log.contains("pre-existing shared memory block") || (log.contains("lock file \"") && log.contains("already exists"))
    }

    /// One older file is kept, so that the log stays below some 20 MB.
    private func rotateLog() {
        if files.logSize > 10_000_000 { rename(files.log, files.log + ".1") }
    }
}
