import Foundation

/// Keeps the deleting of old backups apart from backups that are being written, among all processes that use the folder, of whatever database.
/// The kernel lets go of it when the process is gone.
final class BackupFolderLock: Sendable {
    enum Use: Sendable {
        /// Several may be at it.
        case writing
        /// One alone.
        case deleting
    }

    static let fileName = "lock"

    private let descriptor: Int32

    /// - Returns: nil when others are at what does not go together with it.
    init?(_ folder: String, for use: Use) throws {
        let path = "\(folder)/\(Self.fileName)"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Failure("\(path) cannot be written: \(String(cString: strerror(errno)))") }
        guard flock(descriptor, (use == .deleting ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 else {
            let reason = errno
            close(descriptor)
            guard reason == EWOULDBLOCK else { throw Failure("\(path) cannot be locked: \(String(cString: strerror(reason)))") }
            return nil
        }
    }

    /// Closing alone would not do: a child that is just being spawned has a copy of the descriptor until it executes its program.
    func release() {
        flock(descriptor, LOCK_UN)
    }

    deinit {
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
