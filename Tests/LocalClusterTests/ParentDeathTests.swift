import Foundation
import LocalCluster
import TestSupport
import Testing

/// What is left of a server when the process that started it is gone. Each test plays that process in a child of its own.
@Suite(.timeLimit(.minutes(2)))
struct ParentDeathTests {
    @Test func serverEndsWhenItsParentIsKilled() async throws {
        let result = await #expect(processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]) {
            let cluster = try await TestCluster.startPrivate()
            ParentDeathTests.tell(cluster.directory)
            kill(getpid(), SIGKILL)
        }
        let directory = try Self.told(result)
        #expect(try await eventually { processes(in: "\(directory)/data").isEmpty })
        try FileManager.default.removeItem(atPath: directory)
    }

    @Test func startsAtOnceAfterItsParentWasKilled() async throws {
        let result = await #expect(processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]) {
            let cluster = try await TestCluster.startPrivate()
            ParentDeathTests.tell(cluster.directory)
            kill(getpid(), SIGKILL)
        }
        let directory = try Self.told(result)
        // The server of before may be ending still.
        let cluster = makeCluster(directory, like: try await TestCluster.shared().local)
        try await cluster.start()
        #expect(await cluster.postmasterPID != nil)
        try await cluster.stop(.immediate)
        try FileManager.default.removeItem(atPath: directory)
    }

    @Test func startsAlthoughTheOrphanHangs() async throws {
        let result = await #expect(processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]) {
            let cluster = try await TestCluster.startPrivate()
            ParentDeathTests.tell(cluster.directory)
            try TestCluster.signal(try #require(await cluster.postmasterPID), SIGSTOP)
            kill(getpid(), SIGKILL)
        }
        let directory = try Self.told(result)
        let cluster = makeCluster(directory, like: try await TestCluster.shared().local)
        try await cluster.start()
        #expect(await cluster.postmasterPID != nil)
        try await cluster.stop(.immediate)
        try FileManager.default.removeItem(atPath: directory)
    }

    @Test func nothingRemainsAfterAnOrdinaryExit() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            let cluster = try await TestCluster.shared()
            ParentDeathTests.tell(cluster.directory)
            exit(EXIT_SUCCESS)
        }
        let directory = try Self.told(result)
        #expect(try await eventually { processes(in: "\(directory)/data").isEmpty })
        #expect(!FileManager.default.fileExists(atPath: directory))
    }

    static func tell(_ directory: String) {
        FileHandle.standardOutput.write(Data("directory=\(directory)\n".utf8))
    }

    static func told(_ result: ExitTest.Result?) throws -> String {
        let output = String(decoding: try #require(result).standardOutputContent, as: UTF8.self)
        return String(try #require(output.firstMatch(of: /directory=(\/tmp\/sluice-test-[0-9-]+)/)).1)
    }
}
