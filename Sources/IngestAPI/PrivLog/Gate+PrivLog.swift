import Access
import EventCore
import EventStore
import Hummingbird
import Logging

extension Gate {
    /// Lets a sender in that takes any answer for success: by a credential in a header or, where there is none, by `anonymous`.
    func respondToHook(
        _ request: Request,
        _ context: APIContext,
        _ scope: Scope,
        route: String,
        anonymous: @Sendable (APIContext) async throws -> Grant?,
        _ handler: @Sendable (Request, APIContext, Grant) async throws -> Response
    ) async throws -> Response {
        do {
            let credentials = Credential.all(in: request)
            let opened = credentials.isEmpty ? try await anonymous(context) : nil
            let grant: Grant
            if let opened {
                grant = opened
                context.note.grant = opened
            } else {
                grant = try await self.grant(PresentedCredentials(headers: credentials), for: scope, context: context)
            }
            return try await handler(request, context, grant)
        } catch let withheld as Withheld {
            return await ingest.answer(withheld, request, context: context, isHook: true)
        } catch let problem as Problem where problem.isSendersFault {
            throw problem
        } catch {
            return await closeUnanswered(error, context, route: route)
        }
    }

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
            throw Problem(.forbidden, "unauthenticated", "A valid credential is needed.")
        } catch is Withheld {
            throw Problem(.forbidden, "unauthenticated", "A valid credential is needed.")
        }
        return try await admission.reading(grant, context: context) { try await handler(request, context, grant) }
    }

    /// Whatever it is, the event is not stored: a sender that takes any answer for success must get none.
    private func closeUnanswered(_ error: any Error, _ context: APIContext, route: String) async -> Response {
        let isSaid = error is Problem || ProblemMiddleware.isConnectionFault(error)
        context.logger.log(
            level: isSaid ? .debug : .error,
            "Records were not stored",
            metadata: ["error": "\(ProblemMiddleware.loggable(error))", "route": "\(route)"]
        )
        let profile = SenderProfile.privilegesWebhook
        return await context.send(profile.reply(to: .cannotBeStored, problem: .unavailable(), requestID: context.id))
    }
}
