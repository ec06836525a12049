/// What went wrong with the private PostgreSQL; `description` says what to do next and is safe to log.
package struct LocalClusterError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// PostgreSQL's programs are not on this machine, or not in the folder that `SLUICE_BIN_POSTGRES` names.
        case binariesNotFound
        /// Older than ``PostgresBinaries/oldestMajor``.
        case unsupportedVersion
        /// PostgreSQL would not run as this user.
        case noServiceAccount
        /// A directory cannot be made, read or written, or its permissions cannot be trusted.
        case directory
        /// The data directory belongs to another major version.
        case versionMismatch
        /// Another process runs this cluster.
        case alreadyRunning
        /// A program could not be started, or ended with an error.
        case spawnFailed
        /// PostgreSQL did not accept connections in time, or ended before.
        case startFailed
        /// It still runs after everything was tried.
        case stopFailed
    }

    package var code: Code
    package var description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
