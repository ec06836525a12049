import Access
import ArgumentParser
import EventCore
import EventStore

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Tokens (JWT) for a fleet.",
        subcommands: [TokenIssue.self]
    )
}

struct TokenIssue: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "issue",
        abstract: "Sign a token with a private key file, and show it, once.",
        discussion: """
            Needs no database. When a tenant is named, the token is held against that tenant's issuers first, and the audit log notes \
            that it was made. The file is what sluice issuer add --generate wrote, or any private JWK (then with --iss and --aud).
            """
    )

    @Argument(help: "The tenant's slug, to have the token checked against its issuers and noted.")
    var tenant: String?

    @Option(help: "The private key.", completion: .file())
    var keyFile: String

    @Option(help: "The token's iss (default: the file's).")
    var iss: String?

    @Option(help: "The token's aud (default: the file's).")
    var aud: String?

    @Option(help: "The token's kid (default: the file's).")
    var kid: String?

    @Option(help: "Whom the token is for, as its sub.")
    var subject: String?

    @Option(help: "What the token may do, like ingest or ingest,query; also hook, export, admin.")
    var scope = Words([Scope.ingest])

    @Option(help: "How long it is good for, like 90d, 12h.")
    var ttl = TimeSpan(seconds: 90 * 86_400)

    @OptionGroup var options: OutputOptions

    func run() async throws {
        do {
            let key = try SigningKey(reading: SecretFile.read(keyFile), keyID: kid)
            let claims = try claims(key)
            if let tenant { try await check(claims, key, tenant: tenant) }
            let token = try await key.sign(claims)
            let expiresAt = Timestamp(microsecondsSince1970: claims.expiresAt * 1_000_000)
            try options.print(
                TokenRow(
                    token: token,
                    iss: claims.issuer,
                    aud: claims.audience,
                    kid: key.record.id,
                    subject: subject,
                    scope: claims.scopes.map(\.rawValue).sorted().joined(separator: " "),
                    expiresAt: expiresAt.rfc3339()
                )
            )
        } catch let error as IssuerKeyError {
            throw Failure(error.description, exitCode: Failure.askedWrongly)
        }
        if options.output == .table { Console.current.error("Keep the token now: it is not stored and cannot be shown again.") }
    }

    private func claims(_ key: SigningKey) throws -> SigningKey.Claims {
        guard let issuer = iss ?? key.issuer, let audience = aud ?? key.audience else {
            throw Failure("the key file names no iss and aud: say them with --iss and --aud", exitCode: Failure.askedWrongly)
        }
        guard ttl.seconds > 0 else { throw Failure("--ttl is at least 1s", exitCode: Failure.askedWrongly) }
        let now = Timestamp.now().microsecondsSince1970 / 1_000_000
        return SigningKey.Claims(
            issuer: issuer,
            audience: audience,
            subject: subject,
            scopes: Set(scope.words),
            issuedAt: now,
            expiresAt: now + ttl.seconds
        )
    }

    /// Refuses a token that the servers would refuse.
    private func check(_ claims: SigningKey.Claims, _ key: SigningKey, tenant: String) async throws {
        try await AdminSettings().administer { administration in
            let issuers = try await administration.issuers(tenant: tenant)
            guard let issuer = issuers.first(where: { $0.issuer == claims.issuer && $0.audience == claims.audience }) else {
                throw Failure(
                    "\(tenant) has no issuer \(claims.issuer) with the audience \(claims.audience); sluice issuer list \(tenant) shows all"
                )
            }
            if case .set(let ids) = issuer.keys, !ids.contains(key.record.id) {
                throw Failure("the issuer \(issuer.id) has no key \(key.record.id); it has \(ids.joined(separator: ", "))")
            }
            guard issuer.algorithms.contains(key.algorithm.rawValue) else {
                throw Failure("the issuer \(issuer.id) does not sign with \(key.algorithm.rawValue)")
            }
            guard ttl.seconds <= issuer.maximumLifetime else {
                throw Failure("the issuer \(issuer.id)'s tokens are good for at most \(TimeSpan(seconds: issuer.maximumLifetime))")
            }
            let missing = claims.scopes.map(\.rawValue).filter { !issuer.scopes.contains($0) }.sorted()
            guard missing.isEmpty else {
                throw Failure("the issuer \(issuer.id) is not registered for \(missing.joined(separator: ", "))")
            }
            try await administration.recordToken(
                tenant: tenant,
                issuer: issuer.id,
                detail: [
                    ("kid", JSONText.quoted(key.record.id)), ("sub", subject.map(JSONText.quoted) ?? "null"),
                    ("scopes", JSONText.array(claims.scopes.map(\.rawValue).sorted())), ("exp", String(claims.expiresAt)),
                ]
            )
        }
    }
}

private struct TokenRow: Listing {
    let token: String
    let iss: String
    let aud: String
    let kid: String
    @Nullable var subject: String?
    let scope: String
    let expiresAt: String

    static let columns = ["token", "iss", "aud", "kid", "subject", "scope", "expires at"]
    var cells: [String] { [token, iss, aud, kid, subject ?? "-", scope, expiresAt] }
}
