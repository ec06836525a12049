import Foundation
import LocalCluster
import Postgres
import TestSupport
import Testing

/// Good and bad requests at the most talkative level; `scripts/test.sh` looks through the logs of all servers of the run besides.
@Suite(.fewAtOnce) struct SecretTests {
    @Test func namesARouteWithoutTheKeyInIt() async throws {
        let scene = try await Scene.make(environment: ["REQUEST_DEADLINE": "1s"])
        let blocker = try await scene.migrated.connect()
        try await blocker.executeScript("BEGIN; LOCK TABLE sluice.sources", deadline: .now + .seconds(10))
        #expect(try scene.hookBytes(Webhook.body()).isEmpty)
        #expect(try await scene.server.post("/v1/events", Webhook.body(), key: scene.ingest).status == 503)
        await blocker.close()
        #expect(scene.server.log.contains("/hooks/{key}"), "\(scene.server.log)")
        #expect(scene.server.log.contains("route=/v1/events"), "\(scene.server.log)")
        try expectNoSecret(of: scene, in: scene.server.log)
        await scene.server.stop()
    }

    @Test func saysNoSecretInLogOrAnswerWhateverIsAsked() async throws {
        let scene = try await Scene.make()
        let server = scene.server
        let keys = [scene.hook, scene.ingest, scene.query, scene.admin]
        var answers: [String] = []
        for key in keys {
            let basic = Data("x:\(key)".utf8).base64EncodedString()
            for path in [
                "/v1/events", "/v1/events/\(key)", "/hooks/\(key)", "/hooks/\(key)/", "/hooks/\(key)?key=\(key)",
                "/v1/events?cursor=\(key)",
                "/v1/events?\(key)=1", "/nope/\(key)", "/\(key)",
            ] {
                for headers in [
                    ["Authorization": "Bearer \(key)"], ["X-API-Key": key], ["Authorization": "Basic \(basic)"], ["Cookie": key],
                ] {
                    answers.append(try await server.get(path, headers: headers).body)
                    answers.append(try await server.post(path, "{\"key\":\"\(key)\"", headers: headers).body)
                }
            }
            let broken = "POST /hooks/\(key) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-\(key)\u{1}: \(key)\r\n\r\n"
            answers.append(String(decoding: try server.exchange(broken), as: UTF8.self))
        }
        for answer in answers { try expectNoSecret(of: scene, in: answer) }
        try expectNoSecret(of: scene, in: server.log)
        await server.stop()
    }

    /// Keys are not arguments; an operator who passes one all the same reads it in no error.
    @Test func repeatsNoKeyThatIsGivenToTheTool() async throws {
        let scene = try await Scene.make()
        let run = try await ProcessSpawner.shared.run(
            ChildCommand(
                try BuiltProgram.path("sluice"),
                ["key", "revoke", "acme", scene.admin],
                environment: ["DATABASE_ADMIN_URL": scene.migrated.adminURL, "PATH": "/usr/bin:/bin"]
            )
        )
        TestRun.keep(text: run.output, as: "sluice-key.log")
        #expect(run.status == .exited(64))
        try expectNoSecret(of: scene, in: run.output)
        await scene.server.stop()
    }

    @Test func saysNoPasswordOfADatabaseThatCannotBeReached() async throws {
        let password = "pw-\(UInt64.random(in: 0 ... .max))"
        TestRun.register(secret: password)
        for url in ["postgresql://u:\(password)@127.0.0.1:1/x", "postgresql://u:\(password)@127.0.0.1:no/x", "u:\(password)@h"] {
            for (program, arguments) in [("sluice", ["doctor"]), ("sluice", ["migrate"]), ("sluice-api", [])] {
                let command = ChildCommand(
                    try BuiltProgram.path(program),
                    arguments,
                    environment: ["DATABASE_URL": url, "LISTEN": "127.0.0.1:0", "PATH": "/usr/bin:/bin", "LOG_LEVEL": "trace"],
                    output: .appended(to: "/tmp/sluice-secrets-\(getpid()).log")
                )
                let child = try await ProcessSpawner.shared.spawn(command)
                if program == "sluice-api" {
                    _ = await child.waitForExit(within: .milliseconds(500))
                    await child.terminate(grace: .seconds(10))
                } else {
                    #expect(await child.waitForExit(within: .seconds(30)) != nil)
                }
            }
        }
        let log = "/tmp/sluice-secrets-\(getpid()).log"
        let text = try String(contentsOfFile: log, encoding: .utf8)
        #expect(!text.isEmpty && !text.contains(password), "\(text)")
        TestRun.keep(log: log)
        try FileManager.default.removeItem(atPath: log)
    }

    private func expectNoSecret(of scene: Scene, in text: String) throws {
        for key in [scene.hook, scene.ingest, scene.query, scene.admin] { #expect(!text.contains(key.suffix(36).prefix(30))) }
    }
}

/// The look through the logs can fail.
@Suite(.fewAtOnce) struct FindSecretsTests {
    private func run(secrets: String?, log: String?) async throws -> (status: ChildExit, output: String) {
        let folder = FileManager.default.temporaryDirectory.appending(path: "find-secrets-\(getpid())-\(UInt32.random(in: 0 ..< .max))")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(at: folder.appending(path: "logs"), withIntermediateDirectories: true)
        if let secrets { try Data(secrets.utf8).write(to: folder.appending(path: "secrets")) }
        if let log { try Data(log.utf8).write(to: folder.appending(path: "logs/a.log")) }
        let script = Repository.root.appending(path: "scripts/find-secrets.sh").path(percentEncoded: false)
        let path = folder.path(percentEncoded: false)
        return try await ProcessSpawner.shared.run(ChildCommand("/bin/bash", [script, path], environment: ["PATH": "/usr/bin:/bin"]))
    }

    @Test func passesLogsWithoutASecret() async throws {
        let run = try await run(secrets: "s3cr3t\n\n", log: "GET /hooks/{key} 200 http://127.0.0.1:8080/v1/events?actor=a@b\n")
        #expect(run.status == .exited(0), "\(run.output)")
    }

    @Test(arguments: [
        "a s3cr3t b", "slc_hook_\(String(repeating: "a", count: 46))", "postgresql://u:pw@db/x", "-----BEGIN PRIVATE KEY-----",
        "Bearer eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJhIn0.AAAA",
    ])
    func findsASecretAndWhatReadsLikeOne(line: String) async throws {
        let run = try await run(secrets: "s3cr3t\n", log: "fine\n\(line)\n")
        #expect(run.status == .exited(1) && run.output.contains("a.log:2") && !run.output.contains(line), "\(run.output)")
    }

    @Test func takesNothingLookedForOrThroughForAFailure() async throws {
        #expect(try await run(secrets: nil, log: "fine").status == .exited(1))
        #expect(try await run(secrets: "s3cr3t\n", log: nil).status == .exited(1))
    }
}
