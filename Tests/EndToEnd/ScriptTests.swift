import Foundation
import LocalCluster
import TestSupport
import Testing

/// The scripts that build and test, with something else in the place of what they call.
@Suite struct ScriptTests {
    /// 139 is a crash (SIGSEGV), 143 an end that somebody asked for, 1 a source that does not compile.
    @Test(arguments: [
        (statuses: [0], calls: 1, ends: 0), (statuses: [1], calls: 1, ends: 1), (statuses: [143], calls: 1, ends: 143),
        (statuses: [139, 0], calls: 2, ends: 0), (statuses: [139, 132, 1], calls: 3, ends: 1),
        (statuses: [139, 139, 139], calls: 3, ends: 139),
    ])
    func aBuildIsBegunAgainWhenThePackageManagerCrashed(_ statuses: [Int], _ calls: Int, _ ends: Int32) async throws {
        let folder = try ScratchFolder()
        defer { folder.remove() }
        let swift = folder.path("swift")
        // It writes its arguments down, and ends as the line of that number says.
        let stub = """
            #!/bin/sh
            echo "$*" >> "$0.calls"
            exit "$(printf '%s\\n' \(statuses.map(String.init).joined(separator: " ")) | sed -n "$(wc -l < "$0.calls")p")"
            """
        try stub.write(toFile: swift, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: swift)
        let script = Repository.root.appending(path: "scripts/swift-build.sh").path(percentEncoded: false)
        let environment = ["PATH": "\(folder.path("")):/usr/bin:/bin"]
        let run = try await ProcessSpawner.shared.run(ChildCommand(script, ["-c", "release"], environment: environment))
        #expect(run.status == .exited(ends))
        let made = try String(contentsOfFile: swift + ".calls", encoding: .utf8)
        #expect(made == String(repeating: "build -c release\n", count: calls))
    }
}
