internal import Foundation
internal import Synchronization

/// The directories `/tmp/sluice-test-<process id>-<number>` of this process, removed at its exit together with what still runs in
/// them; and those of processes that were killed, removed by the next one. (Their servers end by themselves: LocalCluster sees to that.)
final class TestDirectories: Sendable {
    static let shared = TestDirectories()

    private static let prefix = "sluice-test-"
    private let made = Mutex<[String]>([])

    private init() {
        removeStale()
        atexit { TestDirectories.shared.removeAll() }
    }

    func make() throws -> String {
        try made.withLock { made in
            let path = "/tmp/\(Self.prefix)\(getpid())-\(made.count)"
            guard mkdir(path, 0o711) == 0 else {
                throw TestClusterError(description: "cannot make \(path): \(String(cString: strerror(errno)))")
            }
            made.append(path)
            return path
        }
    }

    func remove(_ path: String) {
        TestRun.keep(log: "\(path)/postgres.log")
        // Processes in it might be writing still: what they wrote between is a second round's.
        for _ in 0..<5 where access(path, F_OK) == 0 { try? FileManager.default.removeItem(atPath: path) }
    }

    private func removeAll() {
        let paths = made.withLock { $0 }
        for path in paths where access(path, F_OK) == 0 {
            endServer(in: path)
            remove(path)
        }
    }

    /// At exit nothing asynchronous runs any more.
    private func endServer(in path: String) {
        guard let bytes = FileManager.default.contents(atPath: "\(path)/data/postmaster.pid"),
            let pid = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first.flatMap({ pid_t($0) }), pid > 1
        else { return }
        for signal in [SIGQUIT, SIGKILL] {
            for round in 0..<500 where works(pid, in: "\(path)/data") {
                if round == 0 { kill(pid, signal) }
                usleep(10_000)
            }
        }
    }

    private func works(_ pid: pid_t, in directory: String) -> Bool {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd")) == directory
    }

    private func removeStale() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/tmp")) ?? [] where name.hasPrefix(Self.prefix) {
            var info = stat()
            guard let pid = name.dropFirst(Self.prefix.count).split(separator: "-").first.flatMap({ pid_t($0) }),
                kill(pid, 0) != 0, errno == ESRCH, lstat("/tmp/\(name)", &info) == 0, info.st_uid == geteuid(),
                // A test that kills its own child goes on with what the child left.
                info.st_mtim.tv_sec < time(nil) - 600
            else { continue }
            endServer(in: "/tmp/\(name)")
            remove("/tmp/\(name)")
        }
    }
}
