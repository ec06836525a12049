import EventCore
import Foundation
import LocalCluster
import TestSupport
import Testing

/// PrivLog's own routes: a script moves by changing the host, a Mac by changing the URL.
@Suite(.fewAtOnce) struct PrivLogTests {
    private static func body(_ second: Int = 1, admin: String = "true", reason: String = "\"r\"", user: String = "User1") -> String {
        let time = Timestamp(microsecondsSince1970: Webhook.moment.microsecondsSince1970 + Int64(second) * 1_000_000).rfc3339()
        return """
            {"admin":\(admin),"custom_data":{"serial":"SER00001XX"},"delayed":false,"event":"corp.sap.privileges.granted","expires":"",\
            "machine":"16DF8241-7E86-5A4F-8C0F-C49FAA3E7B15","reason":\(reason),"timestamp":"\(time)","user":"\(user)"}
            """
    }

    @Test func answersPrivLogsScriptsAsPrivLogDoes() async throws {
        let scene = try await Scene.make()
        let stored = try await scene.server.post("/privileges", Self.body(), headers: ["X-API-Key": scene.ingest])
        #expect(stored.status == 200 && stored.json["status"].string == "success" && stored.json["accepted"].int == 1, "\(stored.body)")
        let byURL = try await scene.server.post("/privileges/\(scene.hook)", Self.body(2))
        #expect(byURL.status == 200 && byURL.json["status"].string == "success", "\(byURL.body)")
        for method in ["GET", "DELETE", "PATCH", "PUT"] {
            let reply = try await scene.server.send(method, "/privileges", body: "{}", headers: ["X-API-Key": scene.ingest])
            #expect(reply.status == 405 && reply.headers["allow"] == "POST", "\(method)")
        }
        let wrong = ["", "no json", Self.body(admin: "\"often\""), Self.body(reason: "123")]
        for body in wrong {
            for (path, headers) in [("/privileges", ["X-API-Key": scene.ingest]), ("/privileges/\(scene.hook)", [:])] {
                let reply = try await scene.server.post(path, body, headers: headers)
                #expect(reply.status == 422, "\(path) \(body): \(reply.body)")
            }
        }
        #expect(try await scene.server.post("/privileges", Self.body()).status == 401)
        #expect(try await scene.migrated.psql("SELECT count(*) FROM events") == "2")
        let kept = try await scene.migrated.psql("SELECT reason, count FROM quarantine ORDER BY 1")
        #expect(kept == "not_json|2\ntype_mismatch|2\ntype_mismatch|2", "what is authenticated and no event waits: \(kept)")
        await scene.server.stop()
    }

    @Test func readsBackWhatWasSentUnderPrivLogsNames() async throws {
        let scene = try await Scene.make()
        let header = ["X-API-Key": scene.query]
        let granted = Webhook.body(event: "granted", user: "zoë.müller", delayed: true, reason: #"Drucker \/ 2. OG"#)
        let offset = Self.body(5, user: "off").replacing(/"timestamp":"[^"]+"/) { match in
            match.output.replacing("Z\"", with: ".500+00:00\"")
        }
        for body in [granted, offset, Self.body(7)] {
            let reply = try await scene.server.post("/privileges/\(scene.hook)", body)
            #expect(reply.status == 200, "\(reply.body)")
        }
        let sent = JSONValue(granted)
        let list = try await scene.server.get("/get-event-by-user/zo%C3%AB.m%C3%BCller", headers: header)
        #expect(list.status == 200 && list.json.count == 1, "\(list.body)")
        let event = list.json[0]
        for name in ["event", "expires", "machine", "reason", "timestamp", "user"] {
            #expect(event[name].string == sent[name].string, "\(name): \(list.body)")
        }
        #expect(event["admin"].bool == true && event["delayed"].bool == true && event["custom_serial"].string == Webhook.serial)
        #expect(event.keys == ["id", "admin", "custom_serial", "delayed", "event", "expires", "machine", "reason", "timestamp", "user"])

        let asSent = try await scene.server.get("/get-event-by-user/off", headers: header)
        #expect(asSent.json[0]["timestamp"].string == JSONValue(offset)["timestamp"].string, "as it was sent: \(asSent.body)")
        #expect(asSent.json[0]["expires"].string == "")

        let bySerial = try await scene.server.get("/get-event-by-serial/SER00001XX", headers: header)
        #expect(bySerial.json.count == 2 && bySerial.json[0]["user"].string == "off", "oldest first: \(bySerial.body)")
        #expect(try await scene.server.get("/get-event-by-serial/none", headers: header).body == "[]")
        let second = String(JSONValue(Self.body(7))["timestamp"].string?.dropLast() ?? "")
        let byTime = try await scene.server.get("/get-event-by-time?start=\(second)&end=\(second)", headers: header)
        #expect(byTime.json.count == 1, "both ends are included, and no zone is UTC: \(byTime.body)")
        for query in ["", "?start=\(second)", "?start=x&end=y"] {
            #expect(try await scene.server.get("/get-event-by-time\(query)", headers: header).status == 422)
        }
        for path in ["/get-event-by-serial/x", "/get-event-by-user/x", "/get-event-by-time?start=\(second)&end=\(second)"] {
            #expect(try await scene.server.get(path, headers: ["X-API-Key": "nope"]).status == 403)
            #expect(try await scene.server.get(path).status == 403)
            #expect(try await scene.server.get(path, key: scene.ingest).status == 403)
        }
        await scene.server.stop()
    }

    /// PrivLog keeps a body's fields as they came, and its three reads give them back.
    @Test func givesTheClientsBodiesBackFieldByField() async throws {
        guard let samples = try SharedFiles.folder("samples/privileges-webhook") else { return }
        let scene = try await Scene.make()
        let header = ["X-API-Key": scene.query]
        var stored = 0
        for (name, bytes) in samples {
            let body = String(decoding: bytes, as: UTF8.self)
            let sent = JSONValue(body)
            let reply = try await scene.server.post("/privileges", body, headers: ["X-API-Key": scene.ingest])
            guard let serial = sent["custom_data"]["serial"].string, let user = sent["user"].string, let time = sent["timestamp"].string
            else {
                #expect(reply.status == 422, "PrivLog's events have a serial: \(name)")
                continue
            }
            #expect(reply.status == 200, "\(name): \(reply.body)")
            // What is sent once more is the event that is there; PrivLog had it twice.
            guard reply.json["accepted"].int == 1 else { continue }
            stored += 1
            let person = try #require(user.addingPercentEncoding(withAllowedCharacters: .alphanumerics))
            for path in ["by-serial/\(serial)", "by-user/\(person)", "by-time?start=\(time.dropLast())&end=\(time.dropLast())"] {
                let answer = try await scene.server.get("/get-event-\(path)", headers: header)
                let found = (0..<answer.json.count).map { answer.json[$0] }.filter { $0["timestamp"].string == time }
                #expect(found.count == 1, "\(name), \(path): \(answer.body)")
                guard let event = found.first else { continue }
                #expect(event["custom_serial"].string == serial, "\(name), \(path)")
                for field in ["event", "expires", "machine", "reason", "timestamp", "user"] {
                    #expect(event[field].string == sent[field].string && event[field].string != nil, "\(name), \(path): \(field)")
                }
                for field in ["admin", "delayed"] {
                    #expect(event[field].bool == sent[field].bool && event[field].bool != nil, "\(name), \(path): \(field)")
                }
            }
        }
        #expect(stored == 3)
        await scene.server.stop()
    }

    /// What is no value of the field's type is the value of no event.
    @Test func answersASerialOfAnotherTypeWithNothing() async throws {
        let scene = try await Scene.make()
        let schemas = [
            (
                "privileges-webhook",
                """
                {"schema":"privileges-webhook","core":{"type":"/event","occurred_at":"/timestamp","actor":"/user","machine":"/machine"},"fields":\
                {"old":{"from":"/custom_data/serial","type":"string","renamed_from":"serial","required":true,"indexed":true,"min_length":1,\
                "max_length":64}},"unknown":"keep"}
                """
            ),
            (
                "numbered",
                """
                {"schema":"numbered","core":{"type":"/event","occurred_at":"/timestamp","actor":"/user","machine":"/machine"},"fields":\
                {"serial":{"from":"/serial","type":"integer","indexed":true}},"unknown":"keep"}
                """
            ),
        ]
        for (name, schema) in schemas {
            let applied = try await scene.server.send(
                "PUT",
                "/v1/schemas/\(name)?allow_breaking=1",
                body: schema,
                key: scene.admin,
                headers: ["Content-Type": "application/json"]
            )
            #expect(applied.status == 200, "\(applied.body)")
        }
        for serial in ["SER00001XX", "1.5", "1"] {
            // Until every part of the server knows the new versions.
            var reply = try await scene.server.get("/get-event-by-serial/\(serial)", key: scene.query)
            _ = try await eventually(within: .seconds(5)) {
                reply = try await scene.server.get("/get-event-by-serial/\(serial)", key: scene.query)
                return reply.status == 200
            }
            #expect(reply.status == 200 && reply.body == "[]", "\(serial): \(reply.status) \(reply.body)")
        }
        await scene.server.stop()
    }

    @Test func opensTheBarePathToStatedNetworksAlone() async throws {
        let opened = ["OPEN_PRIVILEGES_SOURCE": "acme/default", "OPEN_PRIVILEGES_NETWORKS": "127.0.0.0/8"]
        let scene = try await Scene.make(environment: opened)
        let reply = try await scene.server.post("/privileges", Self.body())
        #expect(reply.status == 200 && reply.json["status"].string == "success", "\(reply.body)")
        // The source has no profile of its own, and who sends here is the SAP client all the same: its retry is the same event.
        let retried = Self.body().replacing(#""delayed":false"#, with: #""delayed":true"#)
        #expect(try await scene.server.post("/privileges", retried).json["duplicates"].int == 1)
        let wrong = try await scene.server.post("/privileges", Self.body(2), headers: ["X-API-Key": "nope"])
        #expect(wrong.status == 401, "a wrong credential is none of those that have none")
        #expect(try await scene.server.get("/get-event-by-user/User1").status == 403, "only this path is open")
        try await scene.migrated.psql("UPDATE tenants SET suspended_at = now()")
        let isClosed = try await eventually(within: .seconds(10)) {
            let body = Self.body(3)
            let head = "POST /privileges HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
            return try scene.server.exchange(head + body).isEmpty
        }
        #expect(isClosed, "a suspended tenant's senders keep their events")
        await scene.server.stop()

        let elsewhere = try await RunningServer.start(
            databaseURL: scene.migrated.apiURL,
            environment: opened.merging(["OPEN_PRIVILEGES_NETWORKS": "10.0.0.0/8"]) { $1 }
        )
        #expect(try await elsewhere.post("/privileges", Self.body(4)).status == 401)
        await elsewhere.stop()
        let run = try await ProcessSpawner.shared.run(
            ChildCommand(
                try BuiltProgram.path("sluice-api"),
                environment: ["DATABASE_URL": scene.migrated.apiURL, "OPEN_PRIVILEGES_SOURCE": "acme/default"]
            )
        )
        #expect(run.status == .exited(1), "open to everybody is nothing that anybody means")
        #expect(run.output.contains("OPEN_PRIVILEGES_NETWORKS must say which"), "\(run.output)")
    }

    @Test func givesNotAByteWhenTheDatabaseIsAway() async throws {
        let cluster = try await TestCluster.startPrivate()
        let scene = try await Scene.make(in: cluster, environment: ["REQUEST_DEADLINE": "1s"])
        try await cluster.stop()
        let body = Self.body()
        for (path, credential) in [("/privileges", "X-API-Key: \(scene.ingest)\r\n"), ("/privileges/\(scene.hook)", "")] {
            let bytes = try scene.server.exchange(
                "POST \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\(credential)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            #expect(bytes.isEmpty, "\(path): \(String(decoding: bytes, as: UTF8.self))")
        }
        // What was found before is believed for a second.
        let isKnown = try await eventually(within: .seconds(10)) {
            let health = try await scene.server.get("/health")
            return health.status == 200 && health.json["status"].string == "error" && health.json["database"].string == "unreachable"
        }
        #expect(isKnown)
        await scene.server.stop()
        try await cluster.remove()
    }

    @Test func tellsMonitoringWhatPrivLogTellsIt() async throws {
        let scene = try await Scene.make(environment: ["HEALTH_OUTPUT_DISKSPACE": "true", "HEALTH_MIN_FREE_GB": "0"])
        let empty = try await scene.server.get("/health")
        #expect(empty.status == 200 && empty.json["status"].string == "warning", "\(empty.body)")
        #expect(empty.json["database"].string == "reachable" && empty.json["database_sample"].string == "empty")
        #expect(empty.json["log_write"].string == "ok" && empty.json["disk_space"].string == "sufficient")
        #expect(empty.body.contains("\"disk_free_gb\":"))
        _ = try await scene.server.post("/privileges/\(scene.hook)", Self.body())
        let isOK = try await eventually(within: .seconds(10)) { try await scene.server.get("/health").json["status"].string == "ok" }
        #expect(isOK)
        await scene.server.stop()

        let folder = FileManager.default.temporaryDirectory.appending(path: "sluice-health-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let low = try await RunningServer.start(
            databaseURL: scene.migrated.apiURL,
            environment: ["HEALTH_MIN_FREE_GB": "1000000000", "LOG_DIR": folder.path(percentEncoded: false)]
        )
        try FileManager.default.removeItem(at: folder)
        let saysSo = try await eventually {
            let reply = try await low.get("/health")
            return reply.json["disk_space"].string == "unknown" && reply.json["log_write"].string == "failed"
                && reply.json["status"].string == "error" && !reply.body.contains("disk_free_gb")
        }
        #expect(saysSo, "its folder is gone")
        await low.stop()
    }
}
