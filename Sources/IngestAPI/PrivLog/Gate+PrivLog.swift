import Access
import Hummingbird

extension Gate {
    /// As for any other read, but for the status of a bad key, which is PrivLog's: 403.
    func respondToPrivLogReader(
        _ request: Request,
        _ context: APIContext,
        _ scope: Scope,
        _ handler: @Sendable (Request, APIContext, Grant) async throws -> Response
    ) async throws -> Response {
        let grant: Grant
        do {
            grant = try await self.grant(PresentedCredentials(headers: Credential.all(in: request)), for: scope, context: context)
        } catch let problem as Problem where problem.status == .unauthorized {
            throw Problem(.forbidden, .unauthenticated, "A valid credential is needed.")
        } catch is Withheld {
            throw Problem(.forbidden, .unauthenticated, "A valid credential is needed.")
        }
        return try await admission.reading(grant, context: context) { try await handler(request, context, grant) }
    }
}
