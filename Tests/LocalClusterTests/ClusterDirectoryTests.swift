import Foundation
import LocalCluster
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2)))
struct ClusterDirectoryTests {
    @Test func refusesASocketDirectoryThatIsALink() async throws {
        let cluster = try await stopped()
        let run = cluster.socketDirectory
        try FileManager.default.removeItem(atPath: run)
        try FileManager.default.createSymbolicLink(atPath: run, withDestinationPath: "/tmp")
        try await expectRefusal(of: cluster, saying: "no directory")
    }

    @Test func refusesASocketDirectoryThatOthersMayEnter() async throws {
        let cluster = try await stopped()
        #expect(chmod(cluster.socketDirectory, 0o755) == 0)
        try await expectRefusal(of: cluster, saying: "mode 755")
    }

    @Test(.enabled(if: geteuid() == 0, "only root can give a directory away"))
    func refusesASocketDirectoryOfAnotherUser() async throws {
        let cluster = try await stopped()
        #expect(chown(cluster.socketDirectory, cluster.local.account.uid + 12345, 0) == 0)
        try await expectRefusal(of: cluster, saying: "belongs to user id")
    }

    @Test func keepsALongSocketPathShort() async throws {
        let other = try await TestCluster.shared().local
        let parent = try await TestCluster.startPrivate()
        let long = makeCluster(parent.directory + "/" + String(repeating: "long/", count: 20) + "cluster", like: other)
        #expect(long.socketDirectory.hasPrefix("/tmp/sluice-\(other.account.uid)-"))
        try await long.start()
        #expect(await long.postmasterPID != nil)
        try await long.stop(.immediate)
        #expect(!FileManager.default.fileExists(atPath: long.socketDirectory))
        try await parent.remove()
    }

    @Test func anUnfinishedDataDirectoryIsMadeAnew() async throws {
        let cluster = try await stopped()
        let manager = FileManager.default
        try manager.moveItem(atPath: "\(cluster.directory)/data", toPath: "\(cluster.directory)/data.new")
        try await cluster.start()
        #expect(try await cluster.psql("SELECT 1") == "1")
        #expect(!manager.fileExists(atPath: "\(cluster.directory)/data.new"))
        try await cluster.remove()
    }

    @Test func livesInTheHomeThatTheAccountMayEnter() async throws {
        let account = try ServiceAccount.current()
        let home = try await TestCluster.shared().directory
        #expect(LocalCluster.location(home: home, account: account) == "\(home)/cluster")
        #expect(LocalCluster.location(home: "\(home)/not/yet", account: account) == "\(home)/not/yet/cluster")
    }

    @Test(.enabled(if: geteuid() == 0, "anyone else runs PostgreSQL as themselves"))
    func livesInVarLibWhereTheAccountMayNotEnterTheHome() async throws {
        let account = try ServiceAccount.current()
        let closed = FileManager.default.temporaryDirectory.appending(path: "sluice-closed-\(UUID())").path
        #expect(mkdir(closed, 0o700) == 0)
        defer { rmdir(closed) }
        let location = LocalCluster.location(home: "\(closed)/.sluice", account: account)
        #expect(location.wholeMatch(of: /\/var\/lib\/sluice\/[0-9a-f]{1,16}/) != nil)
        #expect(location == LocalCluster.location(home: "\(closed)/.sluice", account: account))
        #expect(location != LocalCluster.location(home: "\(closed)/other", account: account))
    }

    private func stopped() async throws -> TestCluster {
        let cluster = try await TestCluster.startPrivate()
        try await cluster.stop(.immediate)
        return cluster
    }

    private func expectRefusal(of cluster: TestCluster, saying text: String) async throws {
        let error = await #expect(throws: LocalClusterError.self) { try await cluster.start() }
        #expect(error?.code == .directory)
        #expect(error?.description.contains(text) == true, "\(error?.description ?? "")")
        #expect(await cluster.postmasterPID == nil)
        try await cluster.remove()
    }
}
