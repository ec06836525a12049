import Access
import ArgumentParser
import EventStore

extension IssuerRegistration.Expired: ExpressibleByArgument {}

/// Kinds of keys that are made here.
enum GeneratedKey: String, CaseIterable, ExpressibleByArgument {
    case ed25519
}

struct IssuerAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Take tokens that somebody signs for a tenant.",
        discussion: """
            Keys come from exactly one of --jwks-file, --jwks-url, --generate and --hs256-secret-file. The server gets public keys only; \
            an HS256 secret is the exception, so prefer the others. Tokens must name their key (kid), this issuer (iss) and audience \
            (aud), and when they expire (exp). A token without the claim scope may ingest.
            """
    )

    @Argument(help: "The tenant's slug.")
    var tenant: String

    @Option(help: "The iss of its tokens, like https://login.example.com.")
    var iss: String

    @Option(help: "The aud of its tokens: who they are for, like sluice-acme.")
    var aud: String

    @Option(help: "A file with its public keys: a JWK set, or one JWK.", completion: .file())
    var jwksFile: String?

    @Option(help: "Where it publishes its JWK set: https://…")
    var jwksURL: String?

    @Option(help: "Make a key pair of this kind: ed25519. The private half goes to --key-out, for sluice token issue.")
    var generate: GeneratedKey?

    @Option(help: "The new file for the private key of --generate (default: <tenant>-issuer.jwk, here).", completion: .file())
    var keyOut: String?

    @Option(name: .customLong("hs256-secret-file"), help: "A file with the shared secret, all its bytes: 32 or more.", completion: .file())
    var hs256SecretFile: String?

    @Option(help: "The kid of the secret's tokens.")
    var kid = "hs256"

    @Option(help: "What it may sign with, like EdDSA or RS256,PS256; also ES256 (default: what its keys are for).")
    var alg: Words<TokenAlgorithm>?

    @Option(help: "What its tokens may do at most, like ingest or ingest,query; also hook, export, admin.")
    var scope = Words([Scope.ingest])

    @Option(help: "What becomes of senders with an expired token: reject (401), or hold (they keep their events: 429).")
    var onExpired = IssuerRegistration.Expired.reject

    @Option(help: "The longest a token may be good for, like 90d, 12h.")
    var maxLifetime = TimeSpan(seconds: 90 * 86_400)

    @OptionGroup var options: OutputOptions

    func validate() throws {
        let places = [jwksFile, jwksURL, hs256SecretFile, generate?.rawValue].compactMap(\.self)
        guard places.count == 1 else {
            throw ValidationError("Say where the keys are, once: --jwks-file, --jwks-url, --generate ed25519 or --hs256-secret-file.")
        }
        guard keyOut == nil || generate != nil else {
            throw ValidationError("--key-out is for the private key of --generate.")
        }
    }

    func run() async throws {
        let (keys, generated) = try keys()
        let new = NewIssuer(
            issuer: iss,
            audience: aud,
            keys: keys,
            algorithms: Set(alg?.words ?? []),
            scopes: Set(scope.words),
            onExpired: onExpired,
            maximumLifetime: maxLifetime.seconds
        )
        // The file first: a key that is registered and lost would be of no use.
        let keyFile = generated.map { _ in keyOut ?? "\(tenant)-issuer.jwk" }
        if let generated, let keyFile { try SecretFile.create(keyFile, text: generated.fileText) }
        let issuer: IssuerSummary
        do {
            issuer = try await AdminSettings().administer { try await $0.addIssuer(tenant: tenant, new) }
        } catch {
            // After any other error the issuer may be registered all the same.
            if let keyFile, error is StoreError || error is Failure { SecretFile.remove(keyFile) }
            throw error
        }
        try options.print(IssuerRow(issuer, keyFile: keyFile))
        if let keyFile, options.output == .table {
            Console.current.error("The private key is in \(keyFile), and nowhere else: sluice token issue --key-file \(keyFile)")
        }
    }

    private func keys() throws -> (NewIssuer.Keys, SigningKey?) {
        do {
            if let jwksFile { return (.set(try PublicKeyRecord.readRegistration(SecretFile.read(jwksFile))), nil) }
            if let hs256SecretFile {
                return (.secret(IssuerSecret(keyID: kid, bytes: try SecretFile.read(hs256SecretFile))), nil)
            }
            if let jwksURL {
                guard let address = KeySetAddress(jwksURL) else {
                    throw Failure(
                        "the URL of a JWK set is https:// and a host's name in small letters, without user and fragment",
                        exitCode: Failure.askedWrongly
                    )
                }
                return (.address(address), nil)
            }
            let key = try SigningKey.generateEd25519(issuer: iss, audience: aud)
            return (.set([key.record]), key)
        } catch let error as IssuerKeyError {
            throw Failure(error.description, exitCode: Failure.askedWrongly)
        }
    }
}
