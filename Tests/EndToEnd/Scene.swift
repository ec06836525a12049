import Access
import EventCore
import EventStore
import Foundation
import TestSupport

/// A migrated database with the tenant acme, whose default source reads the SAP webhook, and a server before it.
struct Scene {
    let migrated: MigratedDatabase
    let server: RunningServer
    let administration: Administration
    let hook: String
    let ingest: String
    let query: String
    let admin: String

    static func make(
        in cluster: TestCluster? = nil,
        environment: [String: String] = [:],
        trusting authority: TestAuthority? = nil
    ) async throws -> Scene {
        let migrated: MigratedDatabase
        if let cluster { migrated = try await .make(in: cluster) } else { migrated = try await .make() }
        TestRun.register(secret: Webhook.serial)
        let administration = Administration(connection: try await migrated.connect(), actor: "test")
        _ = try await administration.createTenant(slug: "acme", name: "Acme", retentionDays: 3650)
        _ = try await administration.applySchema(
            tenant: "acme",
            document: SchemaDocument(yaml: SchemaTemplate.privilegesWebhook.yaml)
        )
        return Scene(
            migrated: migrated,
            server: try await RunningServer.start(databaseURL: migrated.apiURL, environment: environment, trusting: authority),
            administration: administration,
            hook: try await makeKey(.hook, administration),
            ingest: try await makeKey(.ingest, administration),
            query: try await makeKey(.query, administration),
            admin: try await makeKey(.admin, administration)
        )
    }

    /// A key whose secret must be in no log.
    static func makeKey(_ kind: KeyKind, _ administration: Administration, tenant: String = "acme") async throws -> String {
        let key = try await administration.createKey(tenant: tenant, kind: kind).text
        TestRun.register(key: key)
        return key
    }

    var hookPath: String { "/hooks/\(hook)" }

    /// Every byte that a hook's sender gets back.
    func hookBytes(_ body: String) throws -> [UInt8] {
        try server.exchange(
            """
            POST \(hookPath) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
            Content-Length: \(body.utf8.count)\r\n\r\n\(body)
            """
        )
    }
}

/// What the SAP client posts, at a time of the test's own.
enum Webhook {
    /// Of the device; customers' data like this must be in no log.
    static let serial = "C02X8XXXA1B2"

    /// A moment ago, to the second: stable within a test run.
    static let moment = Timestamp(microsecondsSince1970: Timestamp.now().microsecondsSince1970 / 1_000_000 * 1_000_000 - 3_600_000_000)

    static func body(
        event: String = "granted",
        user: String = "john.doe",
        secondsLater seconds: Int64 = 0,
        delayed: Bool = false,
        serial: String? = Webhook.serial,
        reason: String = #"Install Xcode \/ CLT"#
    ) -> String {
        let time = Timestamp(microsecondsSince1970: moment.microsecondsSince1970 + seconds * 1_000_000)
        let customData = serial.map { #""custom_data":{"serial":"\#($0)","building":"Walldorf\/03"},"# } ?? ""
        return """
            {"admin":\(event == "granted"),\(customData)"delayed":\(delayed),"event":"corp.sap.privileges.\(event)",\
            "expires":"\(event == "granted" ? time.rfc3339() : "")","machine":"16DF8241-7E86-5A4F-8C0F-C49FAA3E7B15",\
            "reason":"\(reason)","timestamp":"\(time.rfc3339())","user":"\(user)"}
            """
    }
}
