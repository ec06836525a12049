internal import Foundation

/// Held by the process that runs a cluster, from before it touches anything until the server has ended. The kernel lets go of it
/// when the process is gone: then a server that still runs is an orphan about to end, not somebody else's.
///
/// Its file names that process, and on the second line the server that it started.
final class ClusterLock: Sendable {
    /// The server that the holder before us started.
    let lastPostmaster: pid_t?
    private let descriptor: Int32

    init(_ files: ClusterFiles) throws {
        descriptor = open(files.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw files.cannotWrite(files.lock) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let owner = Self.numbers(files.lock).first.map { " (process \($0))" } ?? ""
            close(descriptor)
            throw LocalClusterError(
                .alreadyRunning,
                "The cluster in \(files.directory) is run by another process\(owner): stop that one first, or choose another SLUICE_HOME."
            )
        }
        let numbers = Self.numbers(files.lock)
        lastPostmaster = numbers.count > 1 ? numbers[1] : nil
        write("\(getpid())\n")
    }

    /// Notes whose server an orphan would be.
    func record(postmaster: pid_t) { write("\(getpid())\n\(postmaster)\n") }

    private func write(_ text: String) {
        let bytes = Array(text.utf8)
        ftruncate(descriptor, 0)
        pwrite(descriptor, bytes, bytes.count, 0)
    }

    private static func numbers(_ path: String) -> [pid_t] {
        guard let bytes = FileManager.default.contents(atPath: path) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { pid_t($0) }
    }

    deinit {
        // Closing alone would not do: a child that is just being spawned has a copy of the descriptor until it executes its program.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
