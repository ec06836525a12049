import Access
import Foundation
import TestSupport
import Testing

/// A route as `RouteTable.swift` has it.
struct DeclaredRoute: Hashable {
    let method: String
    let path: String
    /// `open`, `scope`, `pathScope`, `hookScope` or `privLogScope`.
    let opening: String
    let scope: Scope?

    /// Read from the source: what is compiled from it is all there is.
    static func all() throws -> [DeclaredRoute] {
        let text = try String(contentsOfFile: "\(folder)/RouteTable.swift", encoding: .utf8)
        let entries = text.matches(of: /Route\(\s*method: \.(\w+),\s*path: "([^"]+)",\s*opening: \.(\w+)\(\s*(?:\.(\w+))?/)
        return entries.map { entry in
            let (_, method, path, opening, scope) = entry.output
            return DeclaredRoute(
                method: method.uppercased(),
                path: String(path),
                opening: String(opening),
                scope: opening == "open" ? nil : scope.flatMap { Scope(rawValue: String($0)) }
            )
        }
    }

    static var folder: String {
        Repository.root.appending(path: "Sources/IngestAPI").path(percentEncoded: false)
    }

    func path(key: String) -> String {
        path.replacing("{key}", with: key).replacing(/\{[a-z]+\}/, with: "01a1b1d1-ad18-8fec-a44e-1587e7a83ea9")
    }

    var name: String { "\(method) \(path)" }
}

/// Who may use which route: one table, closed to whom it does not name.
@Suite(.fewAtOnce) struct RouteTableTests {
    /// The table once more, by hand: a new route is in nobody's way until it is written here too.
    private static let expected: Set<String> = [
        "POST /v1/events ingest", "POST /hooks ingest", "POST /hooks/{key} hook in the path", "GET /v1/events query",
        "GET /v1/events/{id} query",
        "GET /v1/export export", "GET /v1/stats query", "POST /privileges ingest", "POST /privileges/{key} hook in the path",
        "GET /get-event-by-serial/{v} query", "GET /get-event-by-user/{v} query", "GET /get-event-by-time query", "GET /health open",
        "GET /v1/schemas admin", "PUT /v1/schemas/{name} admin", "GET /v1/quarantine admin", "POST /v1/quarantine/replay admin",
        "GET /livez open", "GET /readyz open", "GET /openapi.yaml open",
    ]

    @Test func opensEachRouteToOneScope() throws {
        let declared = try DeclaredRoute.all().map { route in
            "\(route.name) \(route.scope?.rawValue ?? "open")\(route.opening == "pathScope" ? " in the path" : "")"
        }
        #expect(Set(declared) == Self.expected && declared.count == Self.expected.count)
        let text = try String(contentsOfFile: "\(DeclaredRoute.folder)/RouteTable.swift", encoding: .utf8)
        #expect(text.matches(of: /Route\(\s*method:/).count == declared.count, "every entry was read")
    }

    /// `Route` has no default for its opening, and nothing but the table's loop may add to the router.
    @Test func letsNoRouteInBesideTheTable() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: DeclaredRoute.folder).filter { $0.hasSuffix(".swift") }
        #expect(files.count > 10)
        for file in files where file != "RouteTable.swift" {
            let text = try String(contentsOfFile: "\(DeclaredRoute.folder)/\(file)", encoding: .utf8)
            let additions = text.matches(of: /RouterPath\(|RouteCollection|extension Router|[rR]outer\s*\.\s*(?!add\()\w+\s*\(/)
            #expect(additions.isEmpty, "\(file): \(additions.map { String($0.output) })")
        }
    }

    @Test func answersEveryMethodOfEveryPathToEveryKindOfKeyAsTheTableSays() async throws {
        let scene = try await Scene.make()
        let routes = try DeclaredRoute.all()
        let keys: [(kind: KeyKind?, text: String?)] = [
            (nil, nil), (.ingest, scene.ingest), (.hook, scene.hook), (.query, scene.query), (.admin, scene.admin),
        ]
        for path in Set(routes.map(\.path)).sorted() {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                let route = routes.first { $0.path == path && ($0.method == method || $0.method == "GET" && method == "HEAD") }
                for key in keys {
                    let isInPath = path.contains("{key}")
                    let address = (route ?? routes.first { $0.path == path })?.path(key: key.text ?? "nope") ?? path
                    let body = ["POST", "PUT", "PATCH"].contains(method) ? Webhook.body() : nil
                    let reply = try await scene.server.send(method, address, body: body, key: isInPath ? nil : key.text)
                    let what = "\(method) \(path) with \(key.kind?.rawValue ?? "no key"): \(reply.status)"
                    switch (route, key.kind) {
                    case (nil, _): #expect(reply.status == 405, "\(what)")
                    case (let route?, _) where route.scope == nil: #expect(reply.status == 200, "\(what)")
                    case (let route?, nil): #expect(reply.status == (route.opening == "privLogScope" ? 403 : 401), "\(what)")
                    case (let route?, let kind?):
                        let isAllowed = route.scope.map(kind.scopes.contains) ?? false
                        if isAllowed {
                            #expect([200, 404, 422].contains(reply.status), "\(what)")
                        } else {
                            #expect(reply.status == 403, "\(what)")
                        }
                    }
                }
            }
        }
        await scene.server.stop()
    }
}
