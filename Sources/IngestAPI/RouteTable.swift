import Access
import HTTPTypes
import Hummingbird

/// One route: there is no way to add one to the router without saying who may use it.
struct Route: Sendable {
    enum Opening: Sendable {
        /// Nobody is asked.
        case open(@Sendable (Request, APIContext) async throws -> Response)
        /// A credential in a header, with this scope.
        case scope(Scope, @Sendable (Request, APIContext, Grant) async throws -> Response)
        /// A credential in the path's `key`, with this scope: for senders that can only be given a URL.
        case pathScope(Scope, @Sendable (Request, APIContext, Grant) async throws -> Response)
        /// A credential in a header or a client certificate, with this scope, or none at all where the second says who that is; for senders that take any
        /// answer for success, and so get none when their event is not stored.
        case hookScope(
            Scope,
            @Sendable (APIContext) async throws -> Grant?,
            @Sendable (Request, APIContext, Grant) async throws -> Response
        )
        /// As `scope`, but a bad credential is 403, as PrivLog's readers know it.
        case privLogScope(Scope, @Sendable (Request, APIContext, Grant) async throws -> Response)
    }

    let method: HTTPRequest.Method
    let path: String
    let opening: Opening
}

/// All routes, their methods and scopes.
struct RouteTable: Sendable {
    let ingest: IngestRoutes
    let events: EventRoutes
    let export: ExportRoutes
    let stats: StatsRoutes
    let privLog: PrivLogReads
    let privLogHealth: PrivLogHealth
    /// Nil: no source is open to senders without a credential.
    let openPrivileges: OpenPrivileges?
    let schemas: SchemaRoutes
    let quarantine: QuarantineRoutes
    let health: HealthRoutes

    var routes: [Route] {
        [
            Route(method: .post, path: "/v1/events", opening: .scope(.ingest, ingest.postEvents)),
            Route(method: .post, path: "/hooks", opening: .hookScope(.ingest, { _ in nil }, ingest.postHook)),
            Route(method: .post, path: "/hooks/{key}", opening: .pathScope(.hook, ingest.postHook)),
            Route(method: .get, path: "/v1/events", opening: .scope(.query, events.list)),
            Route(method: .get, path: "/v1/events/{id}", opening: .scope(.query, events.one)),
            Route(method: .get, path: "/v1/export", opening: .scope(.export, export.export)),
            Route(method: .get, path: "/v1/stats", opening: .scope(.query, stats.stats)),
            Route(
                method: .post,
                path: "/privileges",
                opening: .hookScope(.ingest, { try await openPrivileges?.grant($0) }, ingest.postPrivileges)
            ),
            Route(method: .post, path: "/privileges/{key}", opening: .pathScope(.hook, ingest.postPrivileges)),
            Route(method: .get, path: "/get-event-by-serial/{v}", opening: .privLogScope(.query, privLog.bySerial)),
            Route(method: .get, path: "/get-event-by-user/{v}", opening: .privLogScope(.query, privLog.byUser)),
            Route(method: .get, path: "/get-event-by-time", opening: .privLogScope(.query, privLog.byTime)),
            Route(method: .get, path: "/health", opening: .open(privLogHealth.health)),
            Route(method: .get, path: "/v1/schemas", opening: .scope(.admin, schemas.list)),
            Route(method: .put, path: "/v1/schemas/{name}", opening: .scope(.admin, schemas.put)),
            Route(method: .get, path: "/v1/quarantine", opening: .scope(.admin, quarantine.list)),
            Route(method: .post, path: "/v1/quarantine/replay", opening: .scope(.admin, quarantine.replay)),
            Route(method: .get, path: "/livez", opening: .open(health.livez)),
            Route(method: .get, path: "/readyz", opening: .open(health.readyz)),
            Route(method: .get, path: "/openapi.yaml", opening: .open(APIDescription.get)),
        ]
    }
}

extension Router<APIContext> {
    /// Adds every route of the table behind its check, and 405 with `Allow` for the other methods of its path.
    func add(_ table: RouteTable, gate: Gate) {
        for route in table.routes {
            on(RouterPath(route.path), method: route.method) { request, context in
                try await gate.respond(to: request, context: context, route: route)
            }
        }
        for (path, routes) in Dictionary(grouping: table.routes, by: \.path) {
            var allowed = Set(routes.map(\.method))
            if allowed.contains(.get) { allowed.insert(.head) }
            let allow = allowed.map(\.rawValue).sorted().joined(separator: ", ")
            for method in HTTPRequest.Method.known where !allowed.contains(method) {
                on(RouterPath(path), method: method) { _, _ -> Response in
                    throw Problem(
                        .methodNotAllowed,
                        .methodNotAllowed,
                        "This address takes \(allow).",
                        headers: [.allow: allow]
                    )
                }
            }
        }
    }
}

extension HTTPRequest.Method {
    fileprivate static let known: [HTTPRequest.Method] = [.get, .head, .post, .put, .delete, .patch, .options, .trace, .connect]
}
