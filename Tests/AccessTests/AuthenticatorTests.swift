import EventCore
import Testing

@testable import Access

@Suite struct AuthenticatorTests {
    private struct Keys: KeyLookup {
        var records: [KeyID: KeyRecord] = [:]
        var isDown = false
        struct Down: Error {}

        func findKey(_ id: KeyID) async throws -> KeyRecord? {
            if isDown { throw Down() }
            return records[id]
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

    private func outcome(_ keys: Keys, _ credential: String?, for scope: Scope = .ingest) async -> String {
        do throws(AccessError) {
            let grant = try await Authenticator(keys: keys).authenticate(credential, for: scope, now: now)
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
