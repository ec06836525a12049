import EventStore
import Foundation
import LocalCluster
import TestSupport
import Testing

/// `sluice issuer` and `sluice token`, as an operator types them.
@Suite(.fewAtOnce) struct IssuerCommandTests {
    private struct Tool {
        let scene: Scene
        let folder: String

        static func make() async throws -> Tool {
            let folder = FileManager.default.temporaryDirectory.appending(path: "sluice-issuers-\(UInt64.random(in: 0 ..< .max))")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
            return Tool(scene: try await .make(), folder: folder.path(percentEncoded: false))
        }

        func run(_ arguments: String...) async throws -> (status: ChildExit, output: String, json: JSONValue) {
            let environment = ["DATABASE_ADMIN_URL": scene.migrated.adminURL, "PATH": "/usr/bin:/bin", "HOME": folder]
            let result = try await ProcessSpawner.shared.run(
                ChildCommand(try BuiltProgram.path("sluice"), arguments + ["--output", "json"], environment: environment)
            )
            return (result.status, result.output, JSONValue(result.output))
        }

        func write(_ name: String, _ text: String) throws -> String {
            try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
            return "\(folder)/\(name)"
        }

        func end() async {
            await scene.server.stop()
            try? FileManager.default.removeItem(atPath: folder)
        }
    }

    @Test func makesAKeyIssuesATokenAndRemovesTheIssuer() async throws {
        let tool = try await Tool.make()
        let file = "\(tool.folder)/acme.jwk"
        let added = try await tool.run(
            "issuer",
            "add",
            "acme",
            "--iss",
            "https://login.acme.example",
            "--aud",
            "sluice-acme",
            "--generate",
            "ed25519",
            "--key-out",
            file
        )
        #expect(added.status == .exited(0), "\(added.output)")
        let id = try #require(added.json["id"].int)
        #expect(added.json["algorithms"][0].string == "EdDSA" && added.json["max_lifetime"].string == "90d")
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        let secret = try #require(JSONValue(String(contentsOfFile: file, encoding: .utf8))["d"].string)
        let stored = try await tool.scene.migrated.psql(
            "SELECT count(*) FROM issuers i, audit_log a WHERE (i::text || a::text) ~ '\(secret)'"
        )
        #expect(stored == "0", "the private key stays in its file")

        let issued = try await tool.run("token", "issue", "--key-file", file, "--scope", "ingest", "--ttl", "90d")
        let token = try #require(issued.json["token"].string, "\(issued.output)")
        #expect(try await tool.scene.server.post("/v1/events", Webhook.body(), key: token).status == 200)
        let noted = try await tool.run("token", "issue", "acme", "--key-file", file, "--subject", "mac-17")
        #expect(noted.status == .exited(0), "\(noted.output)")
        let lines = try await tool.scene.migrated.psql(
            "SELECT action, detail ->> 'sub' FROM audit_log WHERE action ~ 'issue' ORDER BY entry_id"
        )
        #expect(lines == "issuer.add|\ntoken.issue|mac-17")
        let tooLong = try await tool.run("token", "issue", "acme", "--key-file", file, "--ttl", "91d")
        #expect(tooLong.status == .exited(1) && tooLong.output.contains("at most 90d"), "\(tooLong.output)")
        let tooMuch = try await tool.run("token", "issue", "acme", "--key-file", file, "--scope", "ingest,admin")
        #expect(tooMuch.status == .exited(1) && tooMuch.output.contains("not registered for admin"), "\(tooMuch.output)")

        let again = try await tool.run(
            "issuer",
            "add",
            "acme",
            "--iss",
            "x",
            "--aud",
            "y",
            "--generate",
            "ed25519",
            "--key-out",
            file
        )
        #expect(again.status == .exited(1) && again.output.contains("never written over"), "\(again.output)")
        let listed = try await tool.run("issuer", "list", "acme")
        #expect(listed.json.count == 1 && listed.json[0]["id"].int == id && !listed.output.contains(secret))

        let unasked = try await tool.run("issuer", "remove", "acme", "\(id)")
        #expect(unasked.status == .exited(64) && unasked.output.contains("--yes"), "\(unasked.output)")
        #expect(try await tool.run("issuer", "remove", "acme", "\(id)", "--yes").status == .exited(0))
        let isRefused = try await eventually {
            try await tool.scene.server.post("/v1/events", Webhook.body(), key: token).status == 401
        }
        #expect(isRefused)
        await tool.end()
    }

    @Test func takesPublicKeysAndSecretsFromFilesAndRefusesPrivateOnes() async throws {
        let tool = try await Tool.make()
        let other = "\(tool.folder)/other.jwk"
        _ = try await tool.run("issuer", "add", "acme", "--iss", "first", "--aud", "a", "--generate", "ed25519", "--key-out", other)
        let refused = try await tool.run("issuer", "add", "acme", "--iss", "i", "--aud", "a", "--jwks-file", other)
        #expect(refused.status == .exited(64) && refused.output.contains("private"), "\(refused.output)")

        let key = JSONValue(try String(contentsOfFile: other, encoding: .utf8))
        let point = try #require(key["x"].string)
        let file = try tool.write("public.json", #"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"\#(point)"}]}"#)
        let added = try await tool.run("issuer", "add", "acme", "--iss", "i", "--aud", "a", "--jwks-file", file, "--on-expired", "hold")
        #expect(added.status == .exited(0) && added.json["kids"][0].string == "one", "\(added.output)")
        #expect(added.json["on_expired"].string == "hold")
        let issued = try await tool.run(
            "token",
            "issue",
            "acme",
            "--key-file",
            other,
            "--iss",
            "i",
            "--aud",
            "a",
            "--kid",
            "one",
            "--ttl",
            "1h"
        )
        let token = try #require(issued.json["token"].string, "\(issued.output)")
        let isTaken = try await eventually {
            try await tool.scene.server.post("/v1/events", Webhook.body(), key: token).status == 200
        }
        #expect(isTaken, "a new issuer is known soon")

        let short = try tool.write("short", "0123456789")
        let tooShort = try await tool.run("issuer", "add", "acme", "--iss", "h", "--aud", "a", "--hs256-secret-file", short)
        #expect(tooShort.status == .exited(64) && tooShort.output.contains("32"), "\(tooShort.output)")
        let secret = try tool.write("secret", "0123456789abcdef0123456789abcdef")
        let shared = try await tool.run("issuer", "add", "acme", "--iss", "h", "--aud", "a", "--hs256-secret-file", secret)
        #expect(shared.status == .exited(0) && !shared.output.contains("0123456789"), "\(shared.output)")
        let http = try await tool.run("issuer", "add", "acme", "--iss", "u", "--aud", "a", "--jwks-url", "http://idp.example/jwks")
        #expect(http.status == .exited(64) && http.output.contains("https"), "\(http.output)")
        let nothing = try await tool.run("issuer", "add", "acme", "--iss", "u", "--aud", "a")
        #expect(nothing.status == .exited(64))
        await tool.end()
    }
}
