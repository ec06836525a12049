internal import Foundation

/// What to run, as whom, with what.
package struct ChildCommand: Sendable {
    package enum Output: Sendable {
        case inherited
        /// Both streams, to the end of a file, which is made (0600) when it is not there.
        case appended(to: String)
        /// Both streams, to an open file of ours.
        case descriptor(Int32)
    }

    package var executable: String
    package var arguments: [String]
    /// All of it: nothing is inherited.
    package var environment: [String: String]
    package var directory: String?
    package var output: Output
    /// Sent to the child by the kernel when this process is gone, however it went; nil: the child may outlive us.
    package var signalOnParentDeath: ParentDeathSignal?
    /// Another user to run as; only root can.
    package var account: ServiceAccount?

    package enum ParentDeathSignal: String, Sendable {
        case terminate = "TERM"
        /// PostgreSQL's fast shutdown.
        case interrupt = "INT"
    }

    package init(
        _ executable: String,
        _ arguments: [String] = [],
        environment: [String: String],
        directory: String? = nil,
        output: Output = .inherited,
        signalOnParentDeath: ParentDeathSignal? = nil,
        account: ServiceAccount? = nil
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.output = output
        self.signalOnParentDeath = signalOnParentDeath
        self.account = account
    }

    /// The command with `setpriv` in front where it is needed. All these programs replace themselves by the next, so the process
    /// id that we get is the program's own.
    func commandLine() throws -> [String] {
        let account = account.flatMap { $0.differsFromSelf ? $0 : nil }
        guard signalOnParentDeath != nil || account != nil else { return [executable] + arguments }
        guard let setpriv = Paths.executable("setpriv") else {
            throw LocalClusterError(.spawnFailed, "The program setpriv is missing: apt-get install util-linux (or your system's package).")
        }
        var line = [setpriv]
        if let account { line += ["--reuid", String(account.uid), "--regid", String(account.gid), "--init-groups"] }
        guard let signalOnParentDeath else { return line + ["--", executable] + arguments }
        line += ["--pdeathsig", signalOnParentDeath.rawValue]
        // We may be gone before setpriv asked for the signal, which then never comes: so look once more afterwards.
        let check = "[ \"$PPID\" = \"$0\" ] || exit 1; exec \"$@\""
        return line + ["--", "/bin/sh", "-c", check, String(getpid()), executable] + arguments
    }
}
