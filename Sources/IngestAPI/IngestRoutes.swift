import Access
import EventCore
import EventStore
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// `POST /v1/events`, `POST /hooks` and `POST /hooks/{key}`: records in, and an answer only when what it says is committed.
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
    let admission: Admission
    let metrics = IngestMetrics()
    private let heldBodies = ByteBudget(128 << 20)

    func postEvents(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        let kind = try ContentKind(request, anyType: false)
        let (source, isUnknown) = try await source(of: grant, named: Self.sourceName(request))
        return try await ingest(request, kind, context, grant, source: source, isUnknownSource: isUnknown, keepsUnreadable: false)
    }

    func postHook(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        try await postHook(request, context: context, grant: grant, dialect: .sluice)
    }

    func postHook(_ request: Request, context: APIContext, grant: Grant, dialect: ReplyDialect) async throws -> Response {
        let kind = try ContentKind(request, anyType: true)
        var (source, _) = try await source(of: grant, named: nil)
        if !grant.tellsHookProfile { source = source.behaving(as: .privilegesWebhook) }
        return try await ingest(
            request,
            kind,
            context,
            grant,
            source: source,
            isUnknownSource: false,
            keepsUnreadable: true,
            dialect: dialect
        )
    }

    private func ingest(
        _ request: Request,
        _ kind: ContentKind,
        _ context: APIContext,
        _ grant: Grant,
        source: Source,
        isUnknownSource: Bool,
        keepsUnreadable: Bool,
        dialect: ReplyDialect = .sluice
    ) async throws -> Response {
        let ticket: Limiter.Ticket
        switch admission.admit(grant, writes: true) {
        case .admitted(let admitted): ticket = admitted
        case .refused(let refusal): return await hold(refusal, profile: source.profile, context: context)
        }
        defer { ticket.release() }
        let rejectsInvalid = try Self.rejectsInvalid(request)
        // What is stored whole or not at all is in memory until its end.
        let held = rejectsInvalid ? Intake.mostHeld(of: request, kind) : 0
        guard heldBodies.take(held, for: grant.tenant) else {
            return await context.send(source.profile.reply(to: .cannotBeStored, problem: .unavailable(), requestID: context.id))
        }
        defer { heldBodies.give(held, of: grant.tenant) }
        var intake = intake(
            grant,
            kind.framing,
            source: source,
            isUnknownSource: isUnknownSource,
            rejectsInvalid: rejectsInvalid,
            requestID: try Self.requestID(request),
            noteSender: admission.senderMeter(of: grant, context: context),
            isAbandoned: { context.isConnectionClosed }
        )
        defer {
            let tally = intake.tally
            metrics.count(tally, of: grant, from: source, at: intake.context.receivedAt)
            ticket.charge(records: tally.received, bytes: intake.receivedBytes, stored: tally.accepted + tally.quarantined)
        }
        var unreadable: Rejection?
        do {
            unreadable = try await withTaskExecutorPreference(Self.executor(toRead: request, kind)) {
                try await store(request, kind, keepsUnreadable: keepsUnreadable, through: &intake)
            }
        } catch let problem as Problem {
            // What found no room has to come again, whatever became of the rest.
            guard intake.tally.heldBack > 0 else { throw problem }
        } catch let error where error is EngineError || error is CancellationError {
            context.logger.warning("Records were not stored", metadata: ["error": "\(ProblemMiddleware.loggable(error))"])
            return await context.send(source.profile.reply(to: .cannotBeStored, problem: .unavailable(), requestID: context.id))
        }
        if intake.tally.heldBack == 0, let unreadable { throw dialect.problem(unreadable) }
        return await context.send(dialect.phrase(intake.verdict.reply(requestID: context.id), of: intake.tally))
    }

    /// Reads the body and writes its records; why it is no records at all, if it is not.
    private func store(
        _ request: Request,
        _ kind: ContentKind,
        keepsUnreadable: Bool,
        through intake: inout Intake
    ) async throws -> Rejection? {
        var unreadable: Rejection?
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
        return unreadable
    }

    /// Nil, the connection's event loop, for what is read in no time; for anything longer one beside it: other connections wait for the loop.
    static func executor(toRead request: Request, _ kind: ContentKind) -> (any TaskExecutor)? {
        if !kind.isGzip, let length = request.statedLength, length <= DirectRequest.maximumBody { return nil }
        return globalConcurrentExecutor
    }

    /// - Parameter isAbandoned: whether the sender is gone.
    func intake(
        _ grant: Grant,
        _ framing: RecordReader.Framing,
        source: Source,
        isUnknownSource: Bool = false,
        rejectsInvalid: Bool = false,
        requestID: String? = nil,
        noteSender: (@Sendable (_ machine: String?) -> Void)? = nil,
        isAbandoned: @escaping @Sendable () -> Bool
    ) -> Intake {
        let now = Timestamp.now()
        return Intake(
            context: Intake.Context(
                source: source,
                isUnknownSource: isUnknownSource,
                receivedAt: now,
                requestDeadline: limits.requestDeadline,
                rejectsInvalid: rejectsInvalid,
                noteSender: noteSender
            ),
            reader: RecordReader(
                framing: framing,
                source: source,
                receivedAt: now,
                window: AcceptanceWindow(now: now, retentionDays: grant.retentionDays),
                maximumRecordBytes: limits.maximumRecord,
                requestID: requestID,
                senderName: grant.machine
            ),
            lanes: lanes,
            isAbandoned: isAbandoned
        )
    }

    /// The key's own source, else the one that the request names, else the tenant's default; and whether the named one is missing.
    func source(of grant: Grant, named slug: String?) async throws -> (source: Source, isUnknown: Bool) {
        if let bound = grant.source {
            guard let source = try await sources.source(of: grant.tenant, where: { $0.id == bound }) else {
                throw Problem.unavailable()
            }
            guard slug == nil || slug == source.slug else {
                throw Problem(.forbidden, .otherSource, "This credential is bound to another source.")
            }
            return (source, false)
        }
        let wanted = slug ?? Source.defaultSlug
        if let source = try await sources.source(of: grant.tenant, where: { $0.slug == wanted }) { return (source, false) }
        guard let slug else { throw Problem.unavailable() }
        return (Source(id: SourceID(rawValue: 0), tenant: grant.tenant, slug: slug, profile: .generic, schema: nil), true)
    }

    /// As `source(of:named:)` and `postHook` find it, where that is known without asking the database.
    func knownSource(of grant: Grant, named slug: String?, isHook: Bool) -> Source? {
        guard
            let source = sources.known(
                of: grant.tenant,
                where: { source in
                    grant.source.map { $0 == source.id } ?? (source.slug == slug ?? Source.defaultSlug)
                }
            ), slug == nil || slug == source.slug
        else { return nil }
        return isHook && !grant.tellsHookProfile ? source.behaving(as: .privilegesWebhook) : source
    }

    private static func rejectsInvalid(_ request: Request) throws -> Bool {
        switch try QueryParameters(request, allowed: ["on_invalid"]).text("on_invalid") {
        case nil, "quarantine": return false
        case "reject": return true
        default: throw Problem(.badRequest, .invalidParameter, "The parameter on_invalid is quarantine or reject.")
        }
    }

    /// What a sender calls its request; a retry carries the same.
    private static func requestID(_ request: Request) throws -> String? {
        guard let id = idHeaders.lazy.compactMap({ request.headers[$0] }).first else { return nil }
        guard (1...255).contains(id.utf8.count) else {
            throw Problem(.badRequest, .invalidRequestID, "Idempotency-Key and webhook-id have 1 to 255 characters.")
        }
        return id
    }

    static func sourceName(_ request: Request) -> String? { sourceHeader.flatMap { request.headers[$0] } }

    private static let sourceHeader = HTTPField.Name("x-source-id")
    private static let idHeaders = ["Idempotency-Key", "webhook-id"].compactMap { HTTPField.Name($0) }
}
