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

    /// In a tree whose programs are of its sources until `change` is made to it.
    @Test(arguments: [
        (change: "true", says: nil),
        (change: "touch Sources/A/a.swift", says: "Sources/A/a.swift is newer than what was built: run make build"),
        (change: "rm Sources/A/b.swift", says: "Sources/A is newer than what was built: run make build"),
        // One program is linked anew, by hand; the other is what it was.
        (change: "touch Sources/A/a.swift .build/release/sluice", says: "Sources/A/a.swift is newer than what was built: run make build"),
        (change: "rm .build/release/built", says: "/.build/release/built: run make build"),
        (change: "rm .build/release/sluice", says: "/.build/release/sluice: run make build, or name its folder with SLUICE_BIN"),
        (
            change: "touch Benchmarks/generators/openloop.c",
            says: "Benchmarks/generators/openloop.c is newer than what was built: run make .build/openloop"
        ),
        (change: "touch Sources/A/a.swift; export SLUICE_BIN=\"$1/.build/release\"", says: nil),
    ])
    func benchmarksRefuseProgramsOfOlderSources(_ change: String, _ says: String?) async throws {
        let folder = try ScratchFolder()
        defer { folder.remove() }
        let modules = Repository.root.appending(path: "Benchmarks/sluicebench").path(percentEncoded: false)
        let script = """
            set -eu
            cd "$1"
            mkdir -p Benchmarks/sluicebench Benchmarks/generators Plugins Sources/A client/macos sql .build/release
            cp "$2"/__init__.py "$2"/failure.py "$2"/programs.py Benchmarks/sluicebench
            touch Makefile Package.swift Sources/A/a.swift Sources/A/b.swift Benchmarks/generators/openloop.c
            touch .build/openloop .build/release/sluice .build/release/built
            chmod +x .build/release/sluice
            find . -exec touch -d '2026-01-01 00:00:00' {} +
            \(change)
            cd Benchmarks
            exec python3 -B -c 'from sluicebench.programs import check_built; check_built()'
            """
        let environment = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"]
        let run = try await ProcessSpawner.shared.run(
            ChildCommand("/bin/sh", ["-c", script, "sh", folder.path(""), modules], environment: environment)
        )
        if let says {
            #expect(run.status == .exited(1))
            #expect(run.output.hasSuffix(says + "\n"), "\(run.output)")
        } else {
            #expect(run.status == .exited(0), "\(run.output)")
        }
    }
}
