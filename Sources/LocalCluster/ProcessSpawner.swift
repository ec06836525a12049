internal import Foundation

/// Starts child processes, all from one permanent thread (``SpawnerThread`` says why).
package actor ProcessSpawner {
    package static let shared = ProcessSpawner()

    private nonisolated let thread = SpawnerThread()

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    private init() {}

    /// Starts a program with an empty standard input, in a process group of its own, with default signal handling, and with none of
    /// our open files.
    package func spawn(_ command: ChildCommand) throws -> ChildProcess {
        let arguments = try command.commandLine()
        switch command.output {
        case .inherited: return try spawn(arguments, command, output: nil)
        case .descriptor(let descriptor): return try spawn(arguments, command, output: descriptor)
        case .appended(let path):
            let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard descriptor >= 0 else {
                throw LocalClusterError(.directory, "Cannot write \(path) (\(errnoText())): make its directory writable for this user.")
            }
            defer { close(descriptor) }
            return try spawn(arguments, command, output: descriptor)
        }
    }

    /// Runs a program to its end; returns what it wrote, both streams together, and how it ended.
    package func run(_ command: ChildCommand) async throws -> (status: ChildExit, output: String) {
        let file = try AnonymousFile()
        var command = command
        command.output = .descriptor(file.descriptor)
        let child = try spawn(command)
        let status = await child.waitForExit()
        return (status, file.text())
    }

    private func spawn(_ arguments: [String], _ command: ChildCommand, output: Int32?) throws -> ChildProcess {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }

        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        if let output {
            posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
            posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
        }
        try SpawnFileActions.closeAll(from: STDERR_FILENO + 1, &actions)
        if let directory = command.directory { try SpawnFileActions.changeDirectory(to: directory, &actions) }

        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        var pid: pid_t = 0
        let environment = command.environment.map { "\($0.key)=\($0.value)" }
        let executable = arguments[0]
        let failure = withCStrings(arguments) { arguments in
            withCStrings(environment) { environment in
                posix_spawn(&pid, executable, &actions, &attributes, arguments, environment)
            }
        }
        guard failure == 0 else {
            throw LocalClusterError(
                .spawnFailed,
                "Cannot start \(executable) (\(errnoText(failure))): check that it is installed and may be executed."
            )
        }
        return ChildProcess(pid: pid)
    }
}

/// A C array of C strings with its closing null, valid during the call.
private func withCStrings<Result>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result) -> Result {
    let copies = strings.map { strdup($0) }
    defer { copies.forEach { free($0) } }
    return body(copies + [nil])
}
