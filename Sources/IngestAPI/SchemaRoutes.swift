import Access
import EventCore
import EventStore
import HTTPTypes
import Hummingbird
import NIOCore

/// `GET /v1/schemas` and `PUT /v1/schemas/{name}`: a tenant's admin sees its schemas and applies new versions, by the same rules as
/// the operator's tool.
struct SchemaRoutes: Sendable {
    let database: Database
    let requestDeadline: Duration

    private static let largestDocument = 64 * 1_024

    /// Versions, newest first; with `?name=` those of one schema, and the document of the one in force or of `?version=`.
    func list(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        let parameters = try QueryParameters(request, allowed: ["name", "version"])
        let name = try parameters.text("name")
        let registry = SchemaRegistry(TenantAccess(database, grant: grant, context: context))
        let versions = try await registry.versions(name: name, deadline: .now + requestDeadline)
        var shown: SchemaVersionRecord?
        if let name { shown = try await registry.version(try parameters.text("version"), of: name, deadline: .now + requestDeadline) }
        var seen: Set<String> = []
        var json = JSONWriter()
        json.object { json in
            json.member("data") { json in
                json.array { json in
                    for version in versions {
                        let isInForce = seen.insert(version.name).inserted
                        let document = shown?.versionNumber == version.versionNumber ? shown?.document : nil
                        json.element { $0.version(version, isInForce: isInForce, document: document) }
                    }
                }
            }
        }
        return Reply.json(json.buffer).response
    }

    /// `?dry_run=1` plans and changes nothing; `?allow_breaking=1` lets events be refused that were accepted.
    func put(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        let parameters = try QueryParameters(request, allowed: ["dry_run", "allow_breaking"])
        let isDry = try parameters.flag("dry_run")
        let allowsBreaking = try parameters.flag("allow_breaking")
        let document = try await document(request)
        guard document.name == context.parameters.get("name") else {
            throw Problem(
                .unprocessableContent,
                .schemaNameMismatch,
                "The document is schema `\(document.name)`, and the address names another.",
                pointer: "/schema"
            )
        }
        let registry = SchemaRegistry(TenantAccess(database, grant: grant, context: context))
        do {
            let deadline = ContinuousClock.now + requestDeadline
            let plan: SchemaPlan
            var inForce: SchemaVersionRecord?
            if isDry {
                plan = try await registry.plan(document, deadline: deadline)
            } else {
                let applied = try await registry.apply(document, allowBreaking: allowsBreaking, deadline: deadline)
                plan = applied.plan
                inForce = applied.inForce
            }
            var json = JSONWriter()
            json.plan(plan, inForce: inForce, isDry: isDry)
            return Reply.json(json.buffer).response
        } catch let error as StoreError {
            switch error.code {
            case .breaking: throw Problem(.conflict, .breakingChange, "\(Self.reasons(error)) ?allow_breaking=1 applies it all the same.")
            case .invalid: throw Problem(.unprocessableContent, .invalidSchema, error.description)
            case .exhausted: throw Problem(.conflict, .slotsExhausted, error.description)
            case .full: throw Problem(.conflict, .schemaLimit, error.description)
            default: throw error
            }
        }
    }

    private static func reasons(_ error: StoreError) -> String {
        (error.description.split(separator: ". What senders").first.map(String.init) ?? error.description) + "."
    }

    private func document(_ request: Request) async throws -> SchemaDocument {
        let type = (request.headers[.contentType] ?? "").prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        let isJSON = type == "application/json" || type.hasSuffix("+json")
        guard isJSON || ["", "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "text/plain"].contains(type) else {
            throw Problem(.unsupportedMediaType, .unsupportedType, "This takes application/yaml and application/json.")
        }
        let body = try await request.body.collect(upTo: Self.largestDocument)
        let bytes = Array(body.readableBytesView)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Problem(.badRequest, .invalidSchema, "The document is not UTF-8.")
        }
        if isJSON {
            var tape = JSONTape()
            do {
                try tape.scan(bytes)
            } catch {
                let rejection = Rejection(error)
                let place = SchemaError(in: bytes, at: error.offset, rejection.detail)
                throw Problem(Rejection(rejection.code, place.description))
            }
        }
        do {
            return try SchemaDocument(yaml: text)
        } catch {
            throw Problem(.unprocessableContent, .invalidSchema, error.description)
        }
    }
}

extension TenantAccess {
    /// On behalf of whoever holds a credential.
    init(_ database: Database, grant: Grant, context: APIContext) {
        let name =
            switch grant.bearer {
            case .key(let id, _): "key:\(id.text)"
            case .token(let issuer, let subject): "token:\(issuer.rawValue) \(subject ?? "")"
            case .certificate(_, let serialNumber): "certificate:\(serialNumber)"
            case .openPath: "open path"
            }
        self.init(
            database,
            tenant: grant.tenant,
            slug: grant.tenantSlug,
            retentionDays: grant.retentionDays,
            actor: AuditActor(name: name, address: context.clientAddress?.description)
        )
    }
}

extension QueryParameters {
    /// `1` or `true`; false when it is absent.
    func flag(_ name: String) throws -> Bool {
        switch try text(name) {
        case nil, "0", "false": return false
        case "1", "true": return true
        default: throw Problem(.badRequest, .invalidParameter, "The parameter \(name) is 1 or 0.")
        }
    }
}

extension JSONWriter {
    fileprivate mutating func version(_ version: SchemaVersionRecord, isInForce: Bool, document: String?) {
        object { json in
            json.member("name", version.name)
            json.member("version", version.version)
            json.member("version_no", Int(version.versionNumber))
            json.member("in_force", json: Array("\(isInForce)".utf8))
            json.member("checksum", version.checksumText)
            json.member("created_at", version.createdAt.rfc3339())
            if let document { json.member("document", json: Array(document.utf8)) }
        }
    }

    private mutating func names(_ key: String, _ names: [String]) {
        member(key) { json in
            json.array { json in
                for name in names { json.element(name) }
            }
        }
    }

    fileprivate mutating func plan(_ plan: SchemaPlan, inForce: SchemaVersionRecord?, isDry: Bool) {
        object { json in
            json.member("name", plan.document.name)
            json.member("version", inForce?.version ?? plan.version.description)
            if let inForce { json.member("version_no", Int(inForce.versionNumber)) }
            json.member("previous", plan.before?.version)
            json.member("dry_run", json: Array("\(isDry)".utf8))
            json.member("changed", json: Array("\(!plan.isUnchanged)".utf8))
            json.member("step", plan.change?.step?.rawValue)
            json.member("breaking", json: Array("\(plan.isBreaking)".utf8))
            json.member("changes") { json in
                json.array { json in
                    for difference in plan.change?.differences ?? [] {
                        json.element { json in
                            json.object { json in
                                json.member("subject", difference.subject)
                                json.member("step", difference.step.rawValue)
                                json.member("text", difference.text)
                                json.member("old_rows", difference.oldRows)
                                json.member("caution", difference.caution)
                            }
                        }
                    }
                }
            }
            json.member("slots") { json in
                json.object { json in
                    for (field, slot) in plan.slots.byField.sorted(by: { $0.value < $1.value }) { json.member(field, "k\(slot)") }
                }
            }
            json.names("slots_taken", plan.slots.taken.map(\.field))
            json.names("to_fill", plan.toFill.map(\.field))
            json.member("becomes_default", json: Array("\(plan.isAdopted)".utf8))
        }
    }
}
