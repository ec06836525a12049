internal import Foundation

/// `postmaster.pid`, which PostgreSQL writes into the data directory: the process on line 1, since 10 its state on line 8
/// (src/include/utils/pidfile.h).
struct PostmasterFile: Sendable {
    let pid: pid_t
    let isReady: Bool

    static func read(_ files: ClusterFiles) -> PostmasterFile? {
        guard let bytes = FileManager.default.contents(atPath: files.postmasterFile) else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard let pid = lines.first.flatMap({ pid_t($0) }), pid > 1 else { return nil }
        return PostmasterFile(pid: pid, isReady: lines.count > 7 && lines[7].hasPrefix("ready"))
    }

    /// The file may be a dead server's and the number another process's by now: a server works in its data directory.
    func runningPID(_ files: ClusterFiles) -> pid_t? {
        guard let works = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd"),
            let data = realpath(files.data, nil)
        else { return nil }
        defer { free(data) }
        return works == String(cString: data) ? pid : nil
    }

    /// Sends one signal after the other until the process is gone.
    func end(_ pid: pid_t, _ signals: [Int32], grace: Duration, _ files: ClusterFiles) async {
        let clock = ContinuousClock()
        for signal in signals {
            // Looked up again each time, for the number may have changed hands.
            guard runningPID(files) == pid, kill(pid, signal) == 0 else { return }
            let limit = clock.now.advanced(by: grace)
            while clock.now < limit {
                if runningPID(files) != pid { return }
                try? await Task.sleep(for: .milliseconds(20))
            }
        }
    }
}
