package import EventCore

/// What a request shows of itself.
package struct PresentedCredentials: Sendable {
    /// Each is a key or a token; the first one is whose scopes count.
    var texts: [String]
    /// Whether one that does not hold ends it all, also when another does.
    var mustAllHold: Bool

    /// Credentials in headers: whoever sends several means all of them.
    package init(headers texts: [String]) {
        self.texts = texts
        mustAllHold = true
    }

    /// A credential in a URL. What a proxy on the way put into the headers (a password of its own, say) is no reason to refuse the
    /// event, unless it opens another tenant.
    package init(path text: String?, headers: [String]) {
        texts = [text ?? ""] + headers
        mustAllHold = false
    }
}

/// Whose credential it is, before anybody asked what it may do.
struct Identity: Sendable {
    let grant: Grant
    let isSuspended: Bool
    /// Expired, and its issuer's senders are to keep their events.
    var isHeld = false
}

extension Authenticator {
    /// The grant of a request, when all that it shows belongs to one tenant and the first reaches as far as the scope.
    package func authenticate(
        _ credentials: PresentedCredentials,
        for scope: Scope,
        now: Timestamp
    ) async throws(AccessError) -> Grant {
        guard let first = credentials.texts.first else { throw .unauthenticated }
        let identity = try await identify(first, now: now)
        var isHeld = identity.isHeld
        for text in credentials.texts.dropFirst() {
            guard let other = try await identifyOther(text, credentials, now: now) else { continue }
            guard other.grant.tenant == identity.grant.tenant else { throw .twoTenants }
            isHeld = isHeld || (other.isHeld && credentials.mustAllHold)
        }
        // Only what would be sent again is held; a reader is told.
        guard !isHeld || scope == .ingest || scope == .hook else { throw .unauthenticated }
        guard identity.grant.scopes.contains(scope) else { throw .missingScope(scope) }
        guard !identity.isSuspended else { throw .suspended }
        guard !isHeld else { throw .expiredHeld(identity.grant) }
        return identity.grant
    }

    /// What a single credential grants, where that is known without asking anybody. Nil is no refusal: `authenticate` says what it is.
    package func knownGrant(_ credential: String, for scope: Scope, now: Timestamp) -> Grant? {
        let identity: Identity?
        if let tokens, UnverifiedToken.hasForm(credential) {
            identity = tokens.knownIdentity(credential, now: now)
        } else {
            identity = knownKeyIdentity(credential, now: now)
        }
        guard let identity, !identity.isHeld, !identity.isSuspended, identity.grant.scopes.contains(scope) else { return nil }
        return identity.grant
    }

    /// A single credential, a key or a token.
    package func authenticate(_ credential: String?, for scope: Scope, now: Timestamp) async throws(AccessError) -> Grant {
        try await authenticate(PresentedCredentials(headers: credential.map { [$0] } ?? []), for: scope, now: now)
    }

    private func identify(_ text: String, now: Timestamp) async throws(AccessError) -> Identity {
        guard let tokens, UnverifiedToken.hasForm(text) else { return try await identifyKey(text, now: now) }
        return try await tokens.identify(text, now: now)
    }

    private func identifyOther(
        _ text: String,
        _ credentials: PresentedCredentials,
        now: Timestamp
    ) async throws(AccessError) -> Identity? {
        do {
            return try await identify(text, now: now)
        } catch {
            if case .unauthenticated = error, !credentials.mustAllHold { return nil }
            throw error
        }
    }
}
