import Foundation
import LocalCluster
import TestSupport

/// A program of the system's that a test needs; `scripts/setup.sh test` installs it.
enum Tool: String {
    case promtool, prometheus, nginx, haproxy, caddy

    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    var path: String {
        get throws {
            for folder in ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"] {
                let path = "\(folder)/\(rawValue)"
                if FileManager.default.isExecutableFile(atPath: path) { return path }
            }
            throw Missing(description: "\(rawValue) is not installed: run scripts/setup.sh test")
        }
    }

    /// Runs beside the test, in a folder of its own, until it is ended.
    func start(_ arguments: [String], log: String) async throws -> ChildProcess {
        try await ProcessSpawner.shared.spawn(
            ChildCommand(
                try path,
                arguments,
                environment: ["PATH": "/usr/bin:/bin", "HOME": "/nonexistent"],
                output: .appended(to: log),
                signalOnParentDeath: .terminate
            )
        )
    }
}

/// A folder of a test's own.
func makeTestFolder(_ name: String) throws -> String {
    let path = FileManager.default.temporaryDirectory.appending(path: "sluice-\(name)-\(UUID())").path(percentEncoded: false)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    return path
}
