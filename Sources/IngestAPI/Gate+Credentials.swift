import Access
import EventCore
import EventStore
import HTTPTypes
import Hummingbird

extension Credential {
    /// Everything in the headers that wants to be a credential: `Authorization` first, then `X-API-Key`.
    ///
    /// An `Authorization` that cannot be read is one that does not hold, whatever else is sent.
    static func all(inHeadersOf request: Request) -> [String] {
        guard let first = inHeaders(of: request) else { return [] }
        guard request.headers[.authorization] != nil, let key = otherHeader.flatMap({ request.headers[$0] }) else { return [first] }
        return [first, key]
    }

    private static let otherHeader = HTTPField.Name("X-API-Key")
}

/// A sender's token has expired, and its issuer wants the sender to keep its events (`on_expired: hold`).
struct HeldCredential: Error {
    let grant: Grant

    func response(as profile: SenderProfile, context: APIContext) async -> Response {
        let problem = Problem(
            .tooManyRequests,
            "credential_expired",
            "The token has expired; keep what you sent and try again with a new one."
        )
        return await context.send(profile.reply(to: .heldCredential, problem: problem, requestID: context.id))
    }
}

extension Gate {
    /// How the sender behaves whose request is not let in: by the source that it would have been for.
    func profile(of grant: Grant, _ request: Request) async -> SenderProfile {
        let slug = Self.sourceHeader.flatMap { request.headers[$0] } ?? "default"
        let source = try? await sources.source(of: grant.tenant) { source in
            grant.source.map { source.id == $0 } ?? (source.slug == slug)
        }
        return source?.profile ?? .generic
    }

    private static let sourceHeader = HTTPField.Name("x-source-id")
}
