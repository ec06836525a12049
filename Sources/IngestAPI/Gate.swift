import Access
import EventCore
import EventStore
import Foundation
import HTTPTypes
import Hummingbird
import Logging

/// Lets a request through to its route once its credential is known to reach that far.
struct Gate: Sendable {
    let authenticator: Authenticator
    let sources: SourceDirectory

    func respond(to request: Request, context: APIContext, route: Route) async throws -> Response {
        switch route.opening {
        case .open(let handler):
            return try await handler(request, context)
        case .scope(let scope, let handler):
            let grant: Grant
            do {
                grant = try await self.grant(PresentedCredentials(headers: Credential.all(inHeadersOf: request)), for: scope)
            } catch let held as HeldCredential {
                return await held.response(as: await profile(of: held.grant, request), context: context)
            }
            return try await handler(request, context, grant)
        case .pathScope(let scope, let handler):
            do {
                let key = context.parameters.get("key").flatMap { QueryParameters.decode($0[...]) }
                let credentials = PresentedCredentials(path: key, headers: Credential.all(inHeadersOf: request))
                let grant = try await grant(credentials, for: scope)
                return try await handler(request, context, grant)
            } catch let held as HeldCredential {
                return await held.response(as: .privilegesWebhook, context: context)
            } catch let problem as Problem where problem.isSendersFault {
                throw problem
            } catch {
                // Whatever it is, the event is not stored: a sender that takes any answer for success must get none.
                let level: Logger.Level = ProblemMiddleware.isConnectionFault(error) ? .debug : .error
                context.logger.log(
                    level: level,
                    "Records were not stored",
                    metadata: ["error": "\(ProblemMiddleware.loggable(error))", "route": "\(route.path)"]
                )
                let profile = SenderProfile.privilegesWebhook
                return await context.send(profile.reply(to: .cannotBeStored, problem: .unavailable(), requestID: context.id))
            }
        }
    }

    /// What a credential grants, where that is known without asking the database. Nil is no refusal: `respond` says what it is.
    func knownGrant(_ credential: String, for scope: Scope) -> Grant? {
        authenticator.knownGrant(credential, for: scope, now: .now())
    }

    private func grant(_ credentials: PresentedCredentials, for scope: Scope) async throws -> Grant {
        do throws(AccessError) {
            return try await authenticator.authenticate(credentials, for: scope, now: .now())
        } catch {
            switch error {
            case .unauthenticated:
                throw Problem.unauthenticated
            case .missingScope(let scope):
                throw Problem(.forbidden, "missing_scope", "This credential lacks the scope \(scope.rawValue).")
            case .suspended where scope == .ingest || scope == .hook:
                throw Problem.unavailable(retryAfter: 60)
            case .suspended:
                throw Problem(.forbidden, "suspended", "This tenant is suspended.")
            case .expiredHeld(let grant):
                throw HeldCredential(grant: grant)
            case .twoTenants:
                throw Problem(.badRequest, "two_tenants", "This request carries credentials of two tenants.")
            case .unavailable:
                throw Problem.unavailable()
            }
        }
    }
}

/// Where a credential stands in a request.
enum Credential {
    /// `Authorization: Bearer`, `Basic` (the password is the key), or `X-API-Key`.
    static func inHeaders(of request: Request) -> String? {
        if let authorization = request.headers[.authorization] {
            if authorization.utf8.starts(with: "Bearer ".utf8) { return String(authorization.utf8.dropFirst(7)) }
            let parts = authorization.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
            guard parts.count == 2 else { return nil }
            switch parts[0].lowercased() {
            case "bearer": return String(parts[1])
            case "basic": return basicPassword(parts[1])
            default: return nil
            }
        }
        return apiKeyHeader.flatMap { request.headers[$0] }
    }

    private static let apiKeyHeader = HTTPField.Name("X-API-Key")

    private static func basicPassword(_ encoded: Substring) -> String? {
        guard
            encoded.utf8.count <= 1024, let data = Data(base64Encoded: String(encoded)),
            let colon = data.firstIndex(of: UInt8(ascii: ":"))
        else { return nil }
        return String(decoding: data[(colon + 1)...], as: UTF8.self)
    }
}
