import EventStore
import Foundation
import LocalCluster
import NIOSSL
import SwiftASN1
import TestSupport
import Testing
import X509

/// A scene whose server speaks TLS.
struct TLSScene {
    let scene: Scene
    let authority: TestAuthority
    let identity: TestIdentity
    let folder: ScratchFolder

    static func make(environment: [String: String] = [:]) async throws -> TLSScene {
        let folder = try ScratchFolder()
        let authority = try TestAuthority("Servers")
        let identity = try authority.issue(.server)
        try identity.write(certificate: folder.path("cert.pem"), key: folder.path("key.pem"))
        var variables = ["TLS_CERT": folder.path("cert.pem"), "TLS_KEY": folder.path("key.pem")]
        variables.merge(environment) { $1 }
        let scene = try await Scene.make(environment: variables, trusting: authority)
        return TLSScene(scene: scene, authority: authority, identity: identity, folder: folder)
    }

    func connect(showing identity: TestIdentity? = nil) async throws -> TLSConnection {
        try await TLSConnection.open(port: scene.server.port, trusting: authority, showing: identity)
    }

    func serial(_ identity: TestIdentity) -> [UInt8] { Array(identity.certificate.serialNumber.bytes.drop { $0 == 0 }) }

    func end() async {
        await scene.server.stop()
        folder.remove()
    }
}

/// TLS on the listener itself.
@Suite(.fewAtOnce) struct TLSTests {
    @Test func isAskedForItsHealthByWhoeverTrustsIt() async throws {
        let tls = try await TLSScene.make()
        try Data(tls.authority.certificate.serializeAsPEM().pemString.utf8).write(to: URL(filePath: tls.folder.path("ca.pem")))
        func ask(_ host: String, _ more: String...) async throws -> (status: ChildExit, output: String) {
            let command = ChildCommand(
                try BuiltProgram.path("sluice"),
                ["health", "--url", "https://\(host):\(tls.scene.server.port)"] + more,
                environment: ["PATH": "/usr/bin:/bin", "SLUICE_HOME": "/nonexistent"]
            )
            let run = try await ProcessSpawner.shared.run(command)
            return (run.status, run.output)
        }
        #expect(try await eventually { try await tls.scene.server.get("/readyz").status == 200 })
        let trusted = try await ask("localhost", "--ca", tls.folder.path("ca.pem"))
        #expect(trusted.status == .exited(0) && trusted.output.contains("fit for traffic"), "\(trusted.output)")
        let unknown = try await ask("localhost")
        #expect(unknown.status == .exited(1) && unknown.output.contains("unknown here"), "\(unknown.output)")
        var other = TestAuthority.Wish(name: "other.example")
        other.alternatives = [.dnsName("other.example")]
        try tls.authority.issue(other).write(certificate: tls.folder.path("cert.pem"), key: tls.folder.path("key.pem"))
        let isRenamed = try await eventually {
            let renamed = try await ask("localhost", "--ca", tls.folder.path("ca.pem"))
            return renamed.status == .exited(1) && renamed.output.contains("for another name")
        }
        #expect(isRenamed)
        let plain = try await ask("localhost", "--url", "http://localhost:1", "--ca", tls.folder.path("ca.pem"))
        #expect(plain.status == .exited(64), "\(plain.output)")
        let empty = try await ask("localhost", "--ca", tls.folder.path("key.pem"))
        #expect(empty.status == .exited(64) && empty.output.contains("no certificate"), "\(empty.output)")
        await tls.end()
    }

    @Test func storesAndReadsBackByEveryWay() async throws {
        let tls = try await TLSScene.make()
        let key = "Authorization: Bearer \(tls.scene.ingest)"
        let connection = try await tls.connect()
        for second in 0..<4 {
            // The first one asks for key and source; those after it go the short way.
            let reply = try await connection.send("POST", "/v1/events", body: Webhook.body(secondsLater: Int64(second)), headers: [key])
            #expect(reply.status == 200 && reply.json["accepted"].int == 1, "\(reply)")
        }
        let chunked = try await tls.scene.server.post(tls.scene.hookPath, Webhook.body(secondsLater: 9))
        #expect(chunked.status == 200, "\(chunked.body)")
        var burst = ""
        for second in 10..<30 {
            burst += TLSConnection.request("POST", "/v1/events", body: Webhook.body(secondsLater: Int64(second)), headers: [key])
        }
        try await connection.write(burst)
        for _ in 10..<30 { #expect(try await connection.answer().json["accepted"].int == 1) }
        let page = try await connection.send("GET", "/v1/events?limit=1000", headers: ["Authorization: Bearer \(tls.scene.query)"])
        #expect(page.status == 200 && page.json["data"].count == 25, "\(page.body)")
        let large = try await tls.scene.server.get("/v1/export?format=ndjson", key: tls.scene.query)
        #expect(large.status == 200 && large.body.split(separator: "\n").count == 25)
        let metrics = try await MetricsTests.metrics(tls.scene.server)
        #expect(MetricsTests.sum("sluice_tls_handshakes_total", metrics, where: "outcome=\"completed\"") > 2)
        let expires = MetricsTests.sum("sluice_tls_certificate_expires_timestamp_seconds", metrics)
        #expect(abs(Double(expires) - tls.identity.certificate.notValidAfter.timeIntervalSince1970) < 2)
        await connection.close()
        await tls.end()
    }

    @Test func closesAHooksConnectionWithoutAByteOfHTTP() async throws {
        let tls = try await TLSScene.make()
        _ = try await tls.scene.administration.suspendTenant(slug: "acme", true)
        let isSilent = try await eventually(within: .seconds(10)) {
            let connection = try await tls.connect()
            try await connection.write(TLSConnection.request("POST", tls.scene.hookPath, body: Webhook.body()))
            return try await connection.readToEnd().isEmpty
        }
        #expect(isSilent)
        await tls.end()
    }

    @Test func takesARenewedCertificateAndKeepsOpenConnections() async throws {
        let tls = try await TLSScene.make()
        let (file, keyFile) = (tls.folder.path("cert.pem"), tls.folder.path("key.pem"))
        let old = try await tls.connect()
        #expect(try await old.serverSerial == tls.serial(tls.identity))

        let renewed = try tls.authority.issue(.server)
        try renewed.write(certificate: file, key: keyFile)
        #expect(try await eventually(within: .seconds(15)) { try await answers(tls, with: renewed) })
        #expect(try await old.send("GET", "/livez").status == 200, "what was open stays open")

        // A key of another certificate: told, and the pair before stays.
        try tls.authority.issue(.server).keyPEM.write(toFile: keyFile, atomically: true, encoding: .utf8)
        let isTold = try await eventually(within: .seconds(15)) { tls.scene.server.log.contains("does not work: the one before stays") }
        #expect(isTold && tls.scene.server.log.contains("TLS_KEY is not the key of"))
        #expect(try await answers(tls, with: renewed))
        let metrics = try await MetricsTests.metrics(tls.scene.server)
        #expect(MetricsTests.sum("sluice_tls_certificate_loads_total", metrics, where: "outcome=\"refused\"") == 1)

        let last = try tls.authority.issue(.server)
        try last.write(certificate: file, key: keyFile)
        tls.scene.server.process.signal(SIGHUP)
        #expect(try await eventually(within: .seconds(15)) { try await answers(tls, with: last) })
        #expect(try await old.send("GET", "/livez").status == 200)
        await old.close()
        await tls.end()
    }

    private func answers(_ tls: TLSScene, with identity: TestIdentity) async throws -> Bool {
        let connection = try await tls.connect()
        let serial = try await connection.serverSerial
        await connection.close()
        return serial == tls.serial(identity)
    }

    @Test func endsWhatIsNoTLSAndWhatIsTooSlow() async throws {
        let tls = try await TLSScene.make(environment: ["REQUEST_DEADLINE": "1s"])
        let plain = try tls.scene.server.exchange("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(!String(decoding: plain, as: UTF8.self).contains("HTTP/"))
        for beginning in ["", "\u{16}\u{03}\u{01}"] {
            let start = ContinuousClock.now
            let descriptor = try tls.scene.server.open()
            if !beginning.isEmpty { try RunningServer.write(beginning, to: descriptor) }
            #expect(try RunningServer.readToEnd(descriptor).isEmpty)
            #expect(start.duration(to: .now) < .seconds(10))
        }
        #expect(try await tls.scene.server.get("/livez").status == 200, "others feel nothing")
        let metrics = try await MetricsTests.metrics(tls.scene.server)
        #expect(MetricsTests.sum("sluice_tls_handshakes_total", metrics, where: "outcome=\"late\"") == 2)
        #expect(MetricsTests.sum("sluice_tls_handshakes_total", metrics, where: "outcome=\"failed\"") >= 1)
        await #expect(throws: (any Error).self, "nothing below TLS 1.2") {
            let old = try await TLSConnection.open(port: tls.scene.server.port, trusting: tls.authority, version: .tlsv11)
            _ = try await old.send("GET", "/livez")
        }
        let older = try await TLSConnection.open(port: tls.scene.server.port, trusting: tls.authority, version: .tlsv12)
        #expect(try await older.send("GET", "/livez").status == 200)
        await older.close()
        await tls.end()
    }

    @Test func saysWhichFileItCannotStartWith() async throws {
        let folder = try ScratchFolder()
        let authority = try TestAuthority()
        let identity = try authority.issue(.server)
        let (file, key) = (folder.path("cert.pem"), folder.path("key.pem"))
        try identity.write(certificate: file, key: key)
        try authority.issue(.server).keyPEM.write(toFile: folder.path("other.pem"), atomically: true, encoding: .utf8)
        try "hunter2".write(toFile: folder.path("garbage.pem"), atomically: true, encoding: .utf8)
        TestRun.register(secret: "hunter2")
        let migrated = try await MigratedDatabase.make()
        let wrong: [([String: String], String)] = [
            (["TLS_CERT": file], "TLS_CERT and TLS_KEY go together"),
            (["TLS_CERT": folder.path("none.pem"), "TLS_KEY": key], "TLS_CERT cannot be read: \(folder.path("none.pem"))"),
            (["TLS_CERT": folder.path("garbage.pem"), "TLS_KEY": key], "TLS_CERT holds no certificate"),
            (["TLS_CERT": file, "TLS_KEY": folder.path("garbage.pem")], "TLS_KEY holds no key"),
            (["TLS_CERT": file, "TLS_KEY": folder.path("other.pem")], "TLS_KEY is not the key of"),
            (["TLS_CERT": "/dev", "TLS_KEY": key], "TLS_CERT is no file"),
        ]
        for (environment, complaint) in wrong {
            let variables = environment.merging(["DATABASE_URL": migrated.apiURL, "LISTEN": "127.0.0.1:0", "ADMIN_LISTEN": "off"]) { $1 }
            let run = try await ProcessSpawner.shared.run(ChildCommand(try BuiltProgram.path("sluice-api"), environment: variables))
            #expect(run.status == .exited(1) && run.output.contains(complaint), "\(complaint): \(run.output)")
            #expect(!run.output.contains("hunter2"))
        }
        folder.remove()
    }
}
