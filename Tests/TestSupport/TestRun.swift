import Foundation
import Synchronization

/// What `scripts/test.sh` looks through after the tests: the logs of all servers they started, and the secrets that must not be in
/// them. Outside of that script nothing is kept.
package enum TestRun {
    private static let folder = ProcessInfo.processInfo.environment["SLUICE_TEST_RUN"].flatMap { $0.isEmpty ? nil : $0 }
    private static let kept = Atomic(0)

    /// What must be in no log: a secret, or a customer's data.
    package static func register(secret: String) {
        guard let folder, !secret.isEmpty else { return }
        let line = Array("\(secret)\n".utf8)
        let descriptor = open("\(folder)/secrets", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        // One write: several tests append at once.
        _ = write(descriptor, line, line.count)
        close(descriptor)
    }

    /// The secret part of an API key, which also tells the whole one; and the key as Basic sends it.
    package static func register(key: String) {
        register(secret: String(key.suffix(36).prefix(30)))
        register(secret: Data("x:\(key)".utf8).base64EncodedString())
    }

    /// A server's log, before the test deletes it.
    package static func keep(log path: String) {
        guard folder != nil, let text = FileManager.default.contents(atPath: path) else { return }
        keep(text: String(decoding: text, as: UTF8.self), as: path.split(separator: "/").last.map(String.init) ?? "log")
    }

    /// What the tool said. Those of its commands that are asked for events print events: that is no log.
    package static func keep(output: String, of arguments: [String]) {
        guard let command = arguments.first, !["events", "export", "quarantine"].contains(command) else { return }
        keep(text: output, as: "sluice-\(command).log")
    }

    /// What a program said.
    package static func keep(text: String, as name: String) {
        guard let folder else { return }
        let path = "\(folder)/logs/\(getpid())-\(kept.add(1, ordering: .relaxed).newValue)-\(name)"
        try? Data(text.utf8).write(to: URL(filePath: path))
    }
}
