import Foundation
import LocalCluster
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1)))
struct ProcessSpawnerTests {
    @Test func givesTheChildItsEnvironmentAndNothingElse() async throws {
        let command = ChildCommand("/usr/bin/env", environment: ["ONLY": "this"], directory: "/")
        let result = try await ProcessSpawner.shared.run(command)
        #expect(result.status == .exited(0))
        #expect(result.output == "ONLY=this\n")
    }

    @Test func runsTheChildInItsDirectoryAndGroup() async throws {
        let result = try await shell("pwd; echo $$; ps -o pgid= -p $$ | tr -d ' '", directory: "/usr")
        let lines = result.output.split(separator: "\n")
        #expect(lines.first == "/usr")
        #expect(lines.count == 3 && lines[1] == lines[2])
    }

    @Test func closesOurFiles() async throws {
        // Without FD_CLOEXEC, as careless libraries open theirs.
        let leak = dup(STDERR_FILENO)
        defer { close(leak) }
        let result = try await shell("[ -e /proc/$$/fd/\(leak) ] && echo open || echo closed")
        #expect(result.output == "closed\n")
    }

    @Test func reportsHowItEnded() async throws {
        #expect(try await shell("exit 3").status == .exited(3))
        #expect(try await shell("kill -9 $$").status == .signalled(SIGKILL))
    }

    @Test func saysWhatIsMissing() async throws {
        let error = await #expect(throws: LocalClusterError.self) {
            try await ProcessSpawner.shared.run(ChildCommand("/nowhere/program", environment: [:]))
        }
        #expect(error?.code == .spawnFailed)
        #expect(error?.description.contains("/nowhere/program") == true)
    }

    @Test(arguments: [ChildCommand.ParentDeathSignal.terminate, nil])
    func endsAChildThatHeedsNoSignal(onParentDeath: ChildCommand.ParentDeathSignal?) async throws {
        let ready = FileManager.default.temporaryDirectory.appending(path: "sluice-ready-\(UUID())").path
        defer { unlink(ready) }
        let child = try await ProcessSpawner.shared.spawn(
            ChildCommand(
                "/bin/sh",
                ["-c", "trap '' TERM; : > \"$0\"; exec sleep 600", ready],
                environment: ["PATH": "/usr/bin:/bin"],
                signalOnParentDeath: onParentDeath
            )
        )
        #expect(try await eventually { access(ready, F_OK) == 0 })
        #expect(child.status == nil)
        #expect(await child.waitForExit(within: .milliseconds(1)) == nil)
        #expect(await child.terminate(grace: .milliseconds(50)) == .signalled(SIGKILL))
        #expect(child.status == .signalled(SIGKILL))
    }

    @Test func signalsNobodyAfterTheEnd() async throws {
        let child = try await ProcessSpawner.shared.spawn(ChildCommand("/bin/true", environment: [:]))
        #expect(await child.waitForExit() == .exited(0))
        #expect(!child.signal(SIGKILL))
        #expect(await child.terminate(grace: .seconds(60)) == .exited(0))
    }

    @Test func aCancelledShutdownStillEndsTheChild() async throws {
        let child = try await ProcessSpawner.shared.spawn(ChildCommand("/bin/sleep", ["600"], environment: [:]))
        let shutdown = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await child.terminate(grace: .seconds(60))
        }
        #expect(await shutdown.value == .signalled(SIGTERM))
    }

    private func shell(_ script: String, directory: String? = nil) async throws -> (status: ChildExit, output: String) {
        try await ProcessSpawner.shared.run(
            ChildCommand("/bin/sh", ["-c", script], environment: ["PATH": "/usr/bin:/bin"], directory: directory)
        )
    }
}
