import Access
import EventStore
import Foundation
import LocalCluster
import TestSupport
import Testing
import X509

/// Client certificates as a credential: whose they are, what they open, and what they do not.
@Suite(.fewAtOnce) struct ClientCertificateTests {
    /// A TLS scene with the tenants acme and globex, each with an authority of its own.
    private struct World {
        let tls: TLSScene
        let acme: TestAuthority
        let globex: TestAuthority

        static func make() async throws -> World {
            let world = World(tls: try await TLSScene.make(), acme: try TestAuthority("Acme CA"), globex: try TestAuthority("Globex CA"))
            _ = try await world.tls.scene.administration.createTenant(slug: "globex", name: "Globex", retentionDays: 3650)
            for (slug, authority) in [("acme", world.acme), ("globex", world.globex)] {
                let added = try await world.sluice("tenant", "client-ca", slug, world.file(authority, slug))
                #expect(added.status == .exited(0), "\(added.output)")
            }
            let mac = try world.acme.issue(.client("mac-0"))
            let isTaken = try await eventually(within: .seconds(20)) {
                try await world.post("/hooks", showing: mac, second: 500).status == 200
            }
            #expect(isTaken)
            return world
        }

        func file(_ authority: TestAuthority, _ name: String) throws -> String {
            let path = tls.folder.path("\(name)-ca.pem")
            try authority.pem.write(toFile: path, atomically: true, encoding: .utf8)
            return path
        }

        func sluice(_ arguments: String...) async throws -> (status: ChildExit, output: String, json: JSONValue) {
            let run = try await SluiceCommand.run(arguments + ["--output", "json"], on: tls.scene.migrated)
            return (run.status, run.output, JSONValue(run.output))
        }

        /// On a connection of its own.
        func post(
            _ path: String,
            showing identity: TestIdentity?,
            second: Int,
            key: String? = nil,
            machine: String? = nil
        ) async throws -> TLSConnection.Answer {
            let connection = try await tls.connect(showing: identity)
            var body = Webhook.body(secondsLater: Int64(second))
            body.replace(/"machine":"[^"]+",/, with: machine.map { "\"machine\":\"\($0)\"," } ?? "")
            let answer = try await connection.send("POST", path, body: body, headers: key.map { ["X-API-Key: \($0)"] } ?? [])
            await connection.close()
            return answer
        }

        func end() async { await tls.end() }
    }

    @Test func storesForTheCertificatesTenantAndMachine() async throws {
        let world = try await World.make()
        let scene = world.tls.scene
        let mac = try world.acme.issue(.client("mac-17"))
        for (second, path) in ["/hooks", "/privileges", "/v1/events"].enumerated() {
            let reply = try await world.post(path, showing: mac, second: second)
            #expect(reply.status == 200 && reply.json["accepted"].int == 1, "\(path): \(reply)")
        }
        #expect(try await world.post("/hooks", showing: mac, second: 3, machine: "as-it-says").status == 200)
        let again = try await world.post("/hooks", showing: try world.acme.issue(.client("mac-18")), second: 0)
        #expect(again.json["duplicates"].int == 1, "the certificate is no part of the event: \(again)")
        let below = try world.globex.intermediate("Globex devices").issue(.client("pc-1"))
        #expect(try await world.post("/hooks", showing: below, second: 0).json["accepted"].int == 1)
        var named = TestAuthority.Wish.client(nil)
        named.alternatives = [.dnsName("pc-2.globex.example")]
        #expect(try await world.post("/hooks", showing: world.globex.issue(named), second: 1).status == 200)

        let stored = try await scene.migrated.psql(
            "SELECT t.slug, machine, count(*) FROM events JOIN tenants t USING (tenant_id) GROUP BY 1, 2 ORDER BY 1, 2"
        )
        #expect(stored == "acme|as-it-says|1\nacme|mac-0|1\nacme|mac-17|3\nglobex|pc-1|1\nglobex|pc-2.globex.example|1")
        let isolated = try await scene.server.get("/v1/events?limit=1000", key: scene.query)
        #expect(isolated.json["data"].count == 5 && !isolated.body.contains("pc-1"), "\(isolated.body)")

        let connection = try await world.tls.connect(showing: mac)
        #expect(try await connection.send("GET", "/v1/events").status == 403, "it reads nothing")
        #expect(try await connection.send("GET", "/v1/quarantine").status == 403)
        for second in 20..<24 {
            let reply = try await connection.send("POST", "/v1/events", body: Webhook.body(secondsLater: Int64(second)))
            #expect(reply.json["accepted"].int == 1, "again on one connection: \(reply)")
        }
        await connection.close()
        #expect(scene.server.log.contains("certificate_serial"))
        await world.end()
    }

    @Test func refusesWhatNoTenantVouchesFor() async throws {
        let world = try await World.make()
        var expired = TestAuthority.Wish.client("mac")
        expired.to = Date(timeIntervalSinceNow: -60)
        var early = TestAuthority.Wish.client("mac")
        early.from = Date(timeIntervalSinceNow: 1_800)
        var signing = TestAuthority.Wish.client("mac")
        signing.isAuthority = true
        var anything = TestAuthority.Wish.client("mac")
        anything.usages = nil
        let stranger = try TestAuthority("Stranger")
        let impostor = try TestAuthority("Acme CA")
        let unusable: [(String, TestIdentity?)] = [
            ("none", nil), ("of another authority", try stranger.issue(.client("mac"))),
            ("of one that only has the name", try impostor.issue(.client("mac"))),
            ("expired", try world.acme.issue(expired)), ("not valid yet", try world.acme.issue(early)),
            ("for servers", try world.acme.issue(.server)), ("for nothing in particular", try world.acme.issue(anything)),
            ("an authority's", try world.acme.issue(signing)),
        ]
        for (what, identity) in unusable {
            #expect(try await world.post("/hooks", showing: identity, second: 1).status == 401, "\(what)")
            let keyed = try await world.post("/v1/events", showing: identity, second: 2, key: world.tls.scene.ingest)
            #expect(keyed.status == 200, "in nobody's way beside a key: \(what) \(keyed)")
        }
        let mac = try world.acme.issue(.client("mac"))
        let globexKey = try await Scene.makeKey(.ingest, world.tls.scene.administration, tenant: "globex")
        for path in ["/v1/events", "/hooks"] {
            // Twice on one connection: the second time both are known, and the request could go the short way.
            let connection = try await world.tls.connect(showing: mac)
            for second in 5..<7 {
                let body = Webhook.body(secondsLater: Int64(second))
                let reply = try await connection.send("POST", path, body: body, headers: ["X-API-Key: \(globexKey)"])
                #expect(reply.status == 400 && reply.json["code"].string == "two_tenants", "\(path): \(reply)")
            }
            await connection.close()
        }
        #expect(try await world.post("/hooks", showing: mac, second: 7, key: "slc_ing_nope").status == 401, "a bad key is a bad key")
        let both = try await world.tls.connect(showing: mac)
        for second in 8..<11 {
            let reply = try await both.send(
                "POST",
                world.tls.scene.hookPath,
                body: Webhook.body(secondsLater: Int64(second)).replacing(/"machine":"[^"]+",/, with: "")
            )
            #expect(reply.json["accepted"].int == 1, "\(reply)")
        }
        await both.close()
        let named = try await world.tls.scene.migrated.psql("SELECT count(*) FROM events WHERE machine = 'mac'")
        #expect(named == "3", "by the short way too")
        #expect(
            try await world.tls.scene.migrated.psql("SELECT count(*) FROM events JOIN tenants USING (tenant_id) WHERE slug = 'globex'")
                == "0"
        )
        await world.end()
    }

    @Test func forgetsAnAuthorityEverywhereWithinTwoSeconds() async throws {
        let world = try await World.make()
        let scene = world.tls.scene
        let replica = try await RunningServer.start(
            databaseURL: scene.migrated.apiURL,
            environment: ["TLS_CERT": world.tls.folder.path("cert.pem"), "TLS_KEY": world.tls.folder.path("key.pem")],
            trusting: world.tls.authority
        )
        let mac = try world.acme.issue(.client("mac"))
        var open: [TLSConnection] = []
        for port in [scene.server.port, replica.port] {
            open.append(try await TLSConnection.open(port: port, trusting: world.tls.authority, showing: mac))
        }
        for connection in open { #expect(try await connection.send("POST", "/hooks", body: Webhook.body()).status == 200) }
        let listed = try await world.sluice("tenant", "client-ca", "acme", "--list")
        let fingerprint = try #require(listed.json[0]["fingerprint"].string, "\(listed.output)")
        #expect(listed.json.count == 1 && listed.json[0]["subject"].string == "CN=Acme CA", "\(listed.output)")
        let unasked = try await world.sluice("tenant", "client-ca", "acme", "--remove", fingerprint)
        #expect(unasked.status == .exited(64), "\(unasked.output)")
        let removed = try await world.sluice("tenant", "client-ca", "acme", "--remove", fingerprint, "--yes")
        #expect(removed.status == .exited(0), "\(removed.output)")
        let end = ContinuousClock.now + .seconds(2)
        for connection in open {
            let isRefused = try await eventually(within: ContinuousClock.now.duration(to: end)) {
                try await connection.send("POST", "/hooks", body: Webhook.body()).status == 401
            }
            #expect(isRefused, "on an open connection too")
            await connection.close()
        }
        #expect(try await world.post("/hooks", showing: world.globex.issue(.client("pc")), second: 2).status == 200, "others feel nothing")
        let audit = try await scene.migrated.psql("SELECT action FROM audit_log WHERE action ~ 'client_ca' ORDER BY entry_id")
        #expect(audit == "client_ca.add\nclient_ca.add\nclient_ca.remove")
        await replica.stop()
        await world.end()
    }

    @Test func takesOnlyAuthoritiesThatVouchForOneTenant() async throws {
        let world = try await World.make()
        let middle = try world.acme.intermediate("Acme devices")
        let leaf = try world.acme.issue(.client("mac"))
        let old = try TestAuthority("Old", to: Date(timeIntervalSinceNow: -60))
        let key = world.tls.folder.path("leaf-key.pem")
        try leaf.write(certificate: world.tls.folder.path("leaf.pem"), key: key)
        let wrong: [(String, String, String)] = [
            ("globex", try world.file(world.acme, "same"), "vouches for another tenant"),
            ("globex", try world.file(middle, "middle"), "vouches for another tenant"),
            ("acme", world.tls.folder.path("leaf.pem"), "no authority's certificate"),
            ("acme", key, "private key"), ("acme", try world.file(old, "old"), "has expired"),
            ("acme", "/etc/hostname", "is no certificate"), ("acme", world.tls.folder.path("none.pem"), "cannot be read"),
        ]
        for (tenant, file, complaint) in wrong {
            let run = try await world.sluice("tenant", "client-ca", tenant, file)
            #expect(run.status != .exited(0) && run.output.contains(complaint), "\(complaint): \(run.output)")
        }
        // Its renewed certificate takes the place of the old one; both of a tenant's own levels may stand beside each other.
        #expect(try await world.sluice("tenant", "client-ca", "acme", world.file(world.acme, "again")).status == .exited(0))
        #expect(try await world.sluice("tenant", "client-ca", "acme", world.file(middle, "own")).status == .exited(0))
        #expect(try await world.sluice("tenant", "client-ca", "acme", "--list").json.count == 2)
        let isTaken = try await eventually(within: .seconds(10)) {
            try await world.post("/hooks", showing: middle.issue(.client("mac")), second: 1).status == 200
        }
        #expect(isTaken)
        await world.end()
    }

    /// NIOSSL's client resumes nothing, Python's does.
    @Test func knowsASenderThatResumesItsSession() async throws {
        let world = try await World.make()
        let mac = try world.globex.intermediate("Globex devices").issue(.client("pc-9"))
        let (chain, key) = (world.tls.folder.path("pc.pem"), world.tls.folder.path("pc-key.pem"))
        try mac.write(certificate: chain, key: key)
        let bodies = (0..<6).map { Webhook.body(secondsLater: Int64($0)).replacing(/"machine":"[^"]+",/, with: "") }
        let script = world.tls.folder.path("resume.py")
        try Self.resume.write(toFile: script, atomically: true, encoding: .utf8)
        let run = try await ProcessSpawner.shared.run(
            ChildCommand(
                "/usr/bin/python3",
                [script, "\(world.tls.scene.server.port)", chain, key] + bodies,
                environment: ["PATH": "/usr/bin:/bin"]
            )
        )
        let expected = ["TLSv1.2", "TLSv1.3"].flatMap { ["\($0) full 200", "\($0) resumed 200", "\($0) resumed 200"] }
        #expect(run.output.split(separator: "\n").map(String.init) == expected, "\(run.output)")
        let stored = try await world.tls.scene.migrated.psql("SELECT count(*) FROM events WHERE machine = 'pc-9'")
        #expect(stored == "6")
        await world.end()
    }

    private static let resume = """
        import socket, ssl, sys
        port, chain, key, bodies = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.maximum_version = version
            context.load_cert_chain(chain, key)
            session = None
            for _ in range(3):
                connection = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), session=session)
                body = bodies.pop(0).encode()
                head = "POST /hooks HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
                connection.sendall(head.encode() + body)
                status = connection.recv(4096).decode().split(" ")[1]
                print(connection.version(), "resumed" if connection.session_reused else "full", status)
                session = connection.session
                connection.close()

        """
}
