import Foundation
import LocalCluster
import Postgres
import TestSupport
import Testing

/// What senders and probes see while PostgreSQL is away, and after it.
@Suite(.fewAtOnce) struct DatabaseAwayTests {
    @Test func keepsEventsWithTheirSendersAndComesBackByItself() async throws {
        let cluster = try await TestCluster.startPrivate()
        let scene = try await Scene.make(in: cluster)
        let server = scene.server
        #expect(try await server.post(scene.hookPath, Webhook.body()).json["accepted"].int == 1)
        #expect(try await server.get("/readyz").status == 200)

        try await cluster.stop(.fast)
        let stopped = ContinuousClock.now
        let isUnready = try await eventually { try await server.get("/readyz").status == 503 }
        #expect(isUnready, "/readyz is 503 within two seconds; asked for \(ContinuousClock.now - stopped)")
        #expect(try await server.get("/livez").status == 200)
        let body = Webhook.body(secondsLater: 1)
        let reply = try await server.post("/v1/events", body, key: scene.ingest)
        #expect(reply.status == 503 && reply.headers["retry-after"] != nil, "\(reply.body)")
        #expect(try await server.get("/v1/events", key: scene.query).status == 503)
        let bytes = try scene.hookBytes(body)
        #expect(bytes.isEmpty, "the connection closes without a byte: \(String(decoding: bytes, as: UTF8.self))")

        try await cluster.start()
        let isBack = try await eventually(within: .seconds(10)) { try await server.get("/readyz").status == 200 }
        #expect(isBack, "ready within ten seconds")
        #expect(try await server.post(scene.hookPath, body).json["accepted"].int == 1)
        #expect(server.process.status == nil, "the same process all along")
        await server.stop()
        try await cluster.remove()
    }

    @Test func endsARequestInTimeWhenTheDatabaseHangs() async throws {
        let cluster = try await TestCluster.startPrivate()
        let scene = try await Scene.make(in: cluster, environment: ["REQUEST_DEADLINE": "1s"])
        #expect(try await scene.server.post(scene.hookPath, Webhook.body()).json["accepted"].int == 1)
        let postmaster = try #require(await cluster.postmasterPID)
        let processes = [postmaster] + children(of: postmaster)
        for pid in processes { try TestCluster.signal(pid, SIGSTOP) }
        let reply = try await scene.server.post("/v1/events", Webhook.body(secondsLater: 1), key: scene.ingest)
        #expect(reply.status == 503, "\(reply.body)")
        #expect(try scene.hookBytes(Webhook.body(secondsLater: 1)).isEmpty, "a hook gets no byte")
        #expect(try await scene.server.get("/readyz").status == 503)
        for pid in processes { try TestCluster.signal(pid, SIGCONT) }
        let isBack = try await eventually(within: .seconds(10)) {
            try await scene.server.post("/v1/events", Webhook.body(secondsLater: 1), key: scene.ingest).status == 200
        }
        #expect(isBack)
        await scene.server.stop()
        try await cluster.remove()
    }

    @Test func givesAHookNoByteWhateverFails() async throws {
        let scene = try await Scene.make(environment: ["REQUEST_DEADLINE": "1s"])
        let blocker = try await scene.migrated.connect()
        try await blocker.executeScript("BEGIN; LOCK TABLE sluice.sources", deadline: .now + .seconds(10))
        #expect(try scene.hookBytes(Webhook.body()).isEmpty, "its source cannot be looked up")
        try await blocker.executeScript("ROLLBACK", deadline: .now + .seconds(10))
        #expect(try await scene.server.post(scene.hookPath, Webhook.body()).status == 200)
        try await scene.migrated.psql("ALTER TABLE schemas DISABLE TRIGGER schemas_stay; UPDATE schemas SET document = 'fields: ['")
        let isBroken = try await eventually { try scene.hookBytes(Webhook.body(secondsLater: 1)).isEmpty }
        #expect(isBroken, "its schema cannot be read")
        #expect(try await scene.server.post("/v1/events", Webhook.body(secondsLater: 1), key: scene.ingest).status == 503)
        await blocker.close()
        await scene.server.stop()
    }

    @Test func startsWithoutADatabaseAndIsReadyOnceThereIsOne() async throws {
        let cluster = try await TestCluster.startPrivate()
        let migrated = try await MigratedDatabase.make(in: cluster)
        try await cluster.stop(.fast)
        let server = try await RunningServer.start(databaseURL: migrated.apiURL)
        #expect(try await server.get("/readyz").status == 503)
        try await cluster.start()
        #expect(try await eventually(within: .seconds(10)) { try await server.get("/readyz").status == 200 })
        await server.stop()
        try await cluster.remove()
    }

    @Test func refusesToStartWithALoginThatCouldReadEveryTenant() async throws {
        let migrated = try await MigratedDatabase.make()
        let error = await #expect(throws: RunningServer.Stopped.self) {
            _ = try await RunningServer.start(databaseURL: migrated.adminURL)
        }
        #expect(error?.log.contains("superuser") == true)
    }

    @Test func isNotReadyBeforeTheMigrations() async throws {
        let migrated = try await MigratedDatabase.make()
        try await migrated.psql("DELETE FROM migrations")
        let server = try await RunningServer.start(databaseURL: migrated.apiURL)
        let saysSo = try await eventually {
            let reply = try await server.get("/readyz")
            return reply.status == 503 && reply.json["detail"].string?.contains("sluice migrate") == true
        }
        #expect(saysSo)
        await server.stop()
    }

    private func children(of parent: pid_t) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { name in
            guard
                let pid = pid_t(name), let stat = try? String(contentsOfFile: "/proc/\(name)/stat", encoding: .utf8),
                let fields = stat.split(separator: ")").last?.split(separator: " "), fields.count > 1
            else { return nil }
            return pid_t(fields[1]) == parent ? pid : nil
        }
    }
}
