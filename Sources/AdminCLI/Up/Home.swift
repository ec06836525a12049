import Foundation

/// The folder where `sluice up` keeps everything.
struct Home: Sendable {
    /// Absolute; its spelling is kept, for the cluster's place may be made from it.
    let path: String

    /// - Parameter path: relative ones begin in the working directory.
    init(_ path: String) {
        var absolute = path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
        while absolute.count > 1, absolute.hasSuffix("/") { absolute.removeLast() }
        self.path = absolute
    }

    var demoFile: String { "\(path)/demo.json" }
    fileprivate var lockFile: String { "\(path)/up.lock" }

    func make() throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        } catch {
            throw Failure("the folder \(path) cannot be made: set SLUICE_HOME to one that can")
        }
    }
}

/// Held for as long as `sluice up` runs in a home; the kernel lets go of it however the process ends.
final class HomeLock: Sendable {
    private let descriptor: Int32

    /// - Throws: `Failure` that names the process which has it.
    init(_ home: Home) throws {
        descriptor = open(home.lockFile, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure("\(home.lockFile) cannot be opened: \(String(cString: strerror(errno)))") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = (try? String(contentsOfFile: home.lockFile, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
            close(descriptor)
            throw Failure(
                "sluice up runs already in \(home.path) (process \(holder ?? "unknown")); stop that one, or set SLUICE_HOME for another"
            )
        }
        let pid = "\(getpid())\n"
        ftruncate(descriptor, 0)
        _ = pid.withCString { write(descriptor, $0, strlen($0)) }
    }

    deinit {
        close(descriptor)
    }
}
