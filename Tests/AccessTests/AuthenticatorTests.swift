import EventCore
import Testing

@testable import Access

@Suite struct AuthenticatorTests {
    private struct Keys: KeyLookup {
        var records: [KeyID: KeyRecord] = [:]
        var isDown = false
        struct Down: Error {}

        /// Known without a wait.
        var isWarm = false
        var legacy: [[UInt8]: LegacyKeyRecord] = [:]

        func findKey(_ id: KeyID, isSuspect: Bool) async throws -> KeyRecord? {
            if isDown { throw Down() }
            return records[id]
        }

        func knownKey(_ id: KeyID) -> KnownKey? { isWarm ? records[id].map(KnownKey.found) ?? .absent : nil }

        func findLegacyKey(_ digest: [UInt8]) async throws -> LegacyKeyRecord? {
            if isDown { throw Down() }
            return legacy[digest]
        }
    }

    private let now = Timestamp(microsecondsSince1970: 1_800_000_000_000_000)

    private func record(of key: APIKey, change: (inout KeyRecord) -> Void = { _ in }) -> Keys {
        var record = KeyRecord(
            tenant: TenantID(rawValue: 7),
            tenantSlug: "acme",
            retentionDays: 90,
            isSuspended: false,
            kind: key.kind,
            digest: key.digest,
            scopes: key.kind.scopes,
            source: nil,
            name: "test",
            expiresAt: nil,
            revokedAt: nil
        )
        change(&record)
        return Keys(records: [key.id: record])
    }

    private func outcome(
        _ keys: Keys,
        _ credential: String?,
        for scope: Scope = .ingest,
        in place: PresentedCredential.Place = .authorization
    ) async -> String {
        do throws(AccessError) {
            let authenticator = Authenticator(keys: keys)
            let presented = credential.map { PresentedCredential($0, in: place) }
            if keys.isWarm, let presented {
                guard let grant = try authenticator.authenticateFromMemory(presented, for: scope, now: now) else { return "must be asked" }
                return "tenant \(grant.tenant.rawValue)"
            }
            let grant = try await authenticator.authenticate(
                PresentedCredentials(headers: presented.map { [$0] } ?? []),
                for: scope,
                now: now
            )
            return "tenant \(grant.tenant.rawValue)"
        } catch {
            switch error {
            case .unauthenticated: return "unauthenticated"
            case .missingScope(let scope): return "missing \(scope)"
            case .suspended: return "suspended"
            case .expiredHeld: return "held"
            case .twoTenants: return "two tenants"
            case .unavailable: return "unavailable"
            }
        }
    }

    @Test func letsAGoodKeyThrough() async {
        let key = APIKey.generate(.ingest)
        #expect(await outcome(record(of: key), key.text) == "tenant 7")
    }

    @Test func refusesEveryBadKeyAlike() async {
        let key = APIKey.generate(.ingest)
        let other = APIKey.generate(.ingest)
        #expect(await outcome(Keys(), nil) == "unauthenticated")
        #expect(await outcome(Keys(), "") == "unauthenticated")
        #expect(await outcome(Keys(), key.text) == "unauthenticated")
        #expect(await outcome(record(of: key) { $0.digest = other.digest }, key.text) == "unauthenticated")
        #expect(await outcome(record(of: key) { $0.digest = [] }, key.text) == "unauthenticated")
        #expect(await outcome(record(of: key) { $0.kind = .admin }, key.text) == "unauthenticated")
        #expect(await outcome(record(of: key) { $0.revokedAt = now }, key.text) == "unauthenticated")
        #expect(await outcome(record(of: key) { $0.expiresAt = now }, key.text) == "unauthenticated")
    }

    @Test func takesAKeyUntilItExpires() async {
        let key = APIKey.generate(.ingest)
        let keys = record(of: key) { $0.expiresAt = Timestamp(microsecondsSince1970: now.microsecondsSince1970 + 1) }
        #expect(await outcome(keys, key.text) == "tenant 7")
    }

    @Test func saysUnavailableWhenItCannotKnow() async {
        #expect(await outcome(Keys(isDown: true), APIKey.generate(.ingest).text) == "unavailable")
    }

    @Test func refusesTextThatIsNoKeyWithoutALookUp() async {
        #expect(await outcome(Keys(isDown: true), "slc_ing_made-up") == "unauthenticated")
    }

    @Test func tellsASuspendedTenant() async {
        let key = APIKey.generate(.query)
        #expect(await outcome(record(of: key) { $0.isSuspended = true }, key.text, for: .query) == "suspended")
    }

    @Test func judgesFromMemoryAsItWouldAfterALookUp() async {
        let key = APIKey.generate(.ingest)
        var keys = record(of: key)
        keys.isWarm = true
        #expect(await outcome(keys, key.text) == "tenant 7")
        #expect(await outcome(keys, key.text, for: .query) == "missing query")
        #expect(await outcome(keys, APIKey.generate(.ingest).text) == "unauthenticated")
        keys.records[key.id]?.revokedAt = now
        #expect(await outcome(keys, key.text) == "unauthenticated")
        #expect(await outcome(keys, "no key of ours") == "must be asked")
    }

    @Test func takesAKeyBroughtFromPrivLogForReadingInItsHeaderOnly() async throws {
        let text = "privlog-key-0123456789"
        let key = try LegacyKey(line: "\(text):Grafana")
        let own = APIKey.generate(.query)
        var keys = record(of: own) { $0.digest = key.digest }
        keys.legacy = [key.digest: LegacyKeyRecord(id: own.id, record: try #require(keys.records[own.id]))]
        #expect(await outcome(keys, text, for: .query, in: .apiKeyHeader) == "tenant 7")
        #expect(await outcome(keys, text, for: .export, in: .apiKeyHeader) == "tenant 7")
        #expect(await outcome(keys, text, for: .query, in: .authorization) == "unauthenticated")
        #expect(await outcome(keys, text, for: .hook, in: .path) == "unauthenticated")
        #expect(await outcome(keys, text, for: .ingest, in: .apiKeyHeader) == "unauthenticated")
        #expect(await outcome(keys, "\(text)4", for: .query, in: .apiKeyHeader) == "unauthenticated")
        keys.isDown = true
        #expect(await outcome(keys, text, for: .query, in: .apiKeyHeader) == "unavailable")
        #expect(await outcome(keys, "short", for: .query, in: .apiKeyHeader) == "unauthenticated", "costs no look-up")
    }

    private static let scopes: [KeyKind: Set<Scope>] = [
        .ingest: [.ingest], .hook: [.hook], .query: [.query, .export], .admin: [.ingest, .query, .export, .admin],
    ]

    @Test(arguments: KeyKind.allCases)
    func opensOnlyItsKindsScopes(kind: KeyKind) async throws {
        let scopes = try #require(Self.scopes[kind])
        let key = APIKey.generate(kind)
        for scope in Scope.allCases {
            let expected = scopes.contains(scope) ? "tenant 7" : "missing \(scope)"
            #expect(await outcome(record(of: key), key.text, for: scope) == expected)
        }
    }
}
