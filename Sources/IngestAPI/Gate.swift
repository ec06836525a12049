import Access
import EventCore
import Hummingbird
import Logging

/// Lets a request through to its route once its credential is known to reach that far.
struct Gate: Sendable {
    let authenticator: Authenticator
    let doorkeeper: Doorkeeper
    let admission: Admission
    /// Knows how a sender is answered that is to keep its events.
    let ingest: IngestRoutes
    /// Nil: this listener asks nobody for a certificate.
    var certificates: ClientCertificates?

    func respond(to request: Request, context: APIContext, route: Route) async throws -> Response {
        var context = context
        context.clientAddress = doorkeeper.client(of: request, context: context)
        context.note.address = context.clientAddress
        switch route.opening {
        case .open(let handler):
            return try await handler(request, context)
        case .scope(let scope, let handler):
            let credentials = PresentedCredentials(headers: Credential.all(in: request))
            do {
                let grant = try await grant(credentials, for: scope, context: context)
                guard scope != .ingest else { return try await handler(request, context, grant) }
                return try await admission.reading(grant, context: context) { try await handler(request, context, grant) }
            } catch let withheld as Withheld {
                return await ingest.answer(withheld, request, context: context, isHook: false)
            }
        case .hookScope(let scope, let anonymous, let handler):
            let credentials = Credential.all(in: request)
            return try await answerHook(request, context, route: route) {
                if credentials.isEmpty, try await certified(context) == nil, let opened = try await anonymous(context) {
                    context.note.grant = opened
                    return try await handler(request, context, opened)
                }
                let headers = PresentedCredentials(headers: credentials)
                return try await handler(request, context, try await grant(headers, for: scope, context: context))
            }
        case .privLogScope(let scope, let handler):
            return try await respondToPrivLogReader(request, context, scope, handler)
        case .pathScope(let scope, let handler):
            let key = context.parameters.get("key").flatMap { QueryParameters.decode($0[...]) }
            let credentials = PresentedCredentials(path: key, headers: Credential.all(in: request))
            return try await answerHook(request, context, route: route) {
                try await handler(request, context, try await grant(credentials, for: scope, context: context))
            }
        }
    }

    /// Runs a route whose senders take any answer for success: unless the fault is theirs, one whose event is not stored gets no byte.
    private func answerHook(
        _ request: Request,
        _ context: APIContext,
        route: Route,
        _ respond: () async throws -> Response
    ) async throws -> Response {
        do {
            return try await respond()
        } catch let withheld as Withheld {
            return await ingest.answer(withheld, request, context: context, isHook: true)
        } catch let problem as Problem where problem.isSendersFault {
            throw problem
        } catch {
            let isSaid = error is Problem || ProblemMiddleware.isConnectionFault(error)
            context.logger.log(
                level: isSaid ? .debug : .error,
                "Records were not stored",
                metadata: ["error": "\(ProblemMiddleware.loggable(error))", "route": "\(route.path)"]
            )
            let profile = SenderProfile.privilegesWebhook
            return await context.send(profile.reply(to: .cannotBeStored, problem: .unavailable(), requestID: context.id))
        }
    }

    /// What a credential grants, where that is known without asking the database. Nil is no refusal: `respond` says what it is.
    func knownGrant(_ credential: PresentedCredential, certificate: PeerCertificate?, for scope: Scope) -> Grant? {
        var certified: CertifiedSender?
        if let certificate, certificate.isShown {
            guard let verdict = certificates?.known(certificate) else { return nil }
            certified = verdict.sender
        }
        return (try? authenticator.authenticateFromMemory(credential, certified: certified, for: scope, now: .now())) ?? nil
    }

    /// Whose the connection's certificate is. One that cannot be looked up is like a key that cannot be.
    private func certified(_ context: APIContext) async throws -> CertifiedSender? {
        guard let certificates else { return nil }
        do {
            return try await certificates.sender(of: context.certificate)
        } catch {
            throw unavailable(error, context)
        }
    }

    /// - Throws: `Problem`, or `Withheld` for a sender that is to keep its events.
    func grant(_ credentials: PresentedCredentials, for scope: Scope, context: APIContext) async throws -> Grant {
        var credentials = credentials
        credentials.certified = try await certified(context)
        // Nothing was tried.
        guard credentials.certified != nil || credentials.list.contains(where: { !$0.text.isEmpty }) else { throw Problem.unauthenticated }
        credentials.isSuspect = doorkeeper.isSuspect(context.clientAddress)
        do throws(AccessError) {
            let grant = try await authenticator.authenticate(credentials, for: scope, now: .now())
            admission.note(grant)
            context.note.grant = grant
            return grant
        } catch {
            switch error {
            case .unauthenticated: throw doorkeeper.refusal(from: context.clientAddress)
            case .missingScope(let scope):
                throw Problem(.forbidden, .missingScope, "This credential lacks the scope \(scope.rawValue).")
            case .suspended(let grant) where scope == .ingest || scope == .hook:
                throw Withheld(outcome: .suspended, grant: grant, problem: .suspended)
            case .suspended: throw Problem.suspended
            case .expiredHeld(let grant): throw Withheld(outcome: .heldCredential, grant: grant, problem: .expired)
            case .twoTenants:
                throw Problem(.badRequest, .twoTenants, "This request carries credentials of two tenants.")
            case .unavailable(let cause):
                throw unavailable(cause, context)
            }
        }
    }

    private func unavailable(_ cause: any Error, _ context: APIContext) -> Problem {
        // Anybody can use the look-ups up: that is no line in the log for each of them.
        let level: Logger.Level = cause is LookupBudget.Exhausted ? .debug : .warning
        context.logger.log(
            level: level,
            "A credential could not be looked up",
            metadata: ["error": "\(ProblemMiddleware.loggable(cause))"]
        )
        return .unavailable()
    }
}

/// The credential is good, and the sender is to keep its events all the same.
struct Withheld: Error {
    let outcome: SenderOutcome
    let grant: Grant
    let problem: Problem
}

extension Problem {
    static let suspended = Problem(.forbidden, .suspended, "This tenant is suspended.")
    fileprivate static let expired = Problem(
        .tooManyRequests,
        .credentialExpired,
        "The token has expired; keep what you sent and try again with a new one."
    )
}
