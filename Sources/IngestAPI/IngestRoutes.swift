import Access
import EventCore
import EventStore
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// `POST /v1/events` and `POST /hooks/{key}`: records in, and an answer only when what it says is committed.
struct IngestRoutes: Sendable {
    /// Bytes, and the longest wait.
    struct Limits: Sendable {
        var requestDeadline: Duration
        var maximumBody: Int
        var maximumDecompressed: Int
        var maximumRecord: Int
    }

    let sources: SourceDirectory
    let lanes: Lanes
    let limits: Limits
    let metrics = IngestMetrics()

    func postEvents(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        let kind = try ContentKind(request, anyType: false)
        let (source, isUnknown) = try await source(of: grant, named: Self.sourceHeader.flatMap { request.headers[$0] })
        return try await ingest(request, kind, context, grant, source: source, isUnknownSource: isUnknown, keepsUnreadable: false)
    }

    func postHook(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        let kind = try ContentKind(request, anyType: true)
        var (source, _) = try await source(of: grant, named: nil)
        if grant.source == nil { source = source.behaving(as: .privilegesWebhook) }
        return try await ingest(request, kind, context, grant, source: source, isUnknownSource: false, keepsUnreadable: true)
    }

    private func ingest(
        _ request: Request,
        _ kind: ContentKind,
        _ context: APIContext,
        _ grant: Grant,
        source: Source,
        isUnknownSource: Bool,
        keepsUnreadable: Bool
    ) async throws -> Response {
        let now = Timestamp.now()
        var intake = Intake(
            context: Intake.Context(
                source: source,
                isUnknownSource: isUnknownSource,
                receivedAt: now,
                requestDeadline: limits.requestDeadline,
                rejectsInvalid: try Self.rejectsInvalid(request)
            ),
            reader: RecordReader(
                framing: kind.framing,
                source: source,
                receivedAt: now,
                window: AcceptanceWindow(now: now, retentionDays: grant.retentionDays),
                maximumRecordBytes: limits.maximumRecord,
                requestID: try Self.requestID(request)
            ),
            lanes: lanes,
            isAbandoned: { context.isConnectionClosed }
        )
        defer { metrics.count(intake.tally) }
        var unreadable: Rejection?
        do {
            var body = IngestBody(kind: kind, limits: limits, keepsBeginning: keepsUnreadable)
            do {
                try body.refuseIfTooLarge(request)
                try await body.read(request, into: &intake)
            } catch let problem as Problem where intake.hasWritten {
                // A part is stored already: what was read of the rest is no worse.
                try await intake.flush(all: true)
                throw problem
            } catch let rejection as Rejection {
                unreadable = rejection
                intake.forgetUnwritten()
                if keepsUnreadable, !body.beginning.isEmpty, !body.isCut { intake.keep(rejection, body: body.beginning) }
            }
            try await intake.flush(all: true)
        } catch let problem as Problem {
            throw problem
        } catch let error where error is EngineError || error is CancellationError {
            context.logger.warning("Records were not stored", metadata: ["error": "\(ProblemMiddleware.loggable(error))"])
            return await source.profile.respond(to: .cannotBeStored, problem: .unavailable(), context: context)
        }
        if intake.tally.heldBack == 0, let unreadable { throw Problem(unreadable) }
        return await answer(intake, context: context)
    }

    private func answer(_ intake: Intake, context: APIContext) async -> Response {
        let (profile, tally) = (intake.context.source.profile, intake.tally)
        if tally.heldBack > 0 {
            return await profile.respond(to: .cannotBeStored, problem: .unavailable(), context: context)
        }
        if intake.isRejected { return rejectedBatch(tally) }
        if intake.context.isUnknownSource {
            return await profile.respond(to: .unknownSource, tally: tally, problem: Problem(.unknownSource), context: context)
        }
        guard let first = tally.refusals.first else {
            return await profile.respond(to: .stored, tally: tally, problem: .unavailable(), context: context)
        }
        guard intake.isSingle else {
            return await profile.respond(to: .unacceptableInBatch, tally: tally, problem: .unavailable(), context: context)
        }
        if first.reason.code == Rejection.Code.tooLarge.rawValue {
            let problem = Problem(.contentTooLarge, first.reason.code, first.reason.detail)
            return await profile.respond(to: .tooLarge, problem: problem, context: context)
        }
        let problem = Problem(.unprocessableContent, first.reason.code, first.reason.detail, pointer: first.reason.pointer)
        return await profile.respond(to: .unacceptableSingle, tally: tally, problem: problem, context: context)
    }

    /// `on_invalid=reject`: none was stored, and the list says why.
    private func rejectedBatch(_ tally: IngestTally) -> Response {
        var response = Response.json(tally.json)
        response.status = .unprocessableContent
        return response
    }

    /// The key's own source, else the one that the request names, else the tenant's default; and whether the named one is missing.
    private func source(of grant: Grant, named slug: String?) async throws -> (source: Source, isUnknown: Bool) {
        if let bound = grant.source {
            guard let source = try await sources.source(of: grant.tenant, where: { $0.id == bound }) else {
                throw Problem.unavailable()
            }
            guard slug == nil || slug == source.slug else {
                throw Problem(.forbidden, "other_source", "This credential is bound to another source.")
            }
            return (source, false)
        }
        if let source = try await sources.source(of: grant.tenant, where: { $0.slug == slug ?? "default" }) { return (source, false) }
        guard slug != nil else { throw Problem.unavailable() }
        return (Source(id: SourceID(rawValue: 0), tenant: grant.tenant, slug: "", profile: .generic, schema: nil), true)
    }

    private static func rejectsInvalid(_ request: Request) throws -> Bool {
        switch try QueryParameters(request, allowed: ["on_invalid"]).text("on_invalid") {
        case nil, "quarantine": return false
        case "reject": return true
        default: throw Problem(.badRequest, "invalid_parameter", "The parameter on_invalid is quarantine or reject.")
        }
    }

    /// What a sender calls its request; a retry carries the same.
    private static func requestID(_ request: Request) throws -> String? {
        guard let id = idHeaders.lazy.compactMap({ request.headers[$0] }).first else { return nil }
        guard (1...255).contains(id.utf8.count) else {
            throw Problem(.badRequest, "invalid_request_id", "Idempotency-Key and webhook-id have 1 to 255 characters.")
        }
        return id
    }

    private static let sourceHeader = HTTPField.Name("x-source-id")
    private static let idHeaders = ["Idempotency-Key", "webhook-id"].compactMap { HTTPField.Name($0) }
}

extension Response {
    static func json(_ json: JSONWriter) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: json.buffer)
        )
    }
}
