import Access
import EventCore
import EventStore
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// `POST /v1/events` and `POST /hooks/{key}`: one event in, and an answer only when it is committed.
struct IngestRoutes: Sendable {
    let sources: SourceDirectory
    let writer: EventWriter
    let requestDeadline: Duration
    let maximumRecordSize: Int

    func postEvents(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        try request.refuseQueryParameters()
        let source = try await source(of: grant, named: Self.sourceHeader.flatMap { request.headers[$0] })
        return try await ingest(request, context: context, grant: grant, source: source)
    }

    func postHook(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        var source = try await source(of: grant, named: nil)
        if grant.source == nil { source = source.behaving(as: .privilegesWebhook) }
        return try await ingest(request, context: context, grant: grant, source: source)
    }

    private func ingest(_ request: Request, context: APIContext, grant: Grant, source: Source) async throws -> Response {
        let deadline = ContinuousClock.now + requestDeadline
        guard (request.headers[.contentLength].flatMap { Int($0) } ?? 0) <= maximumRecordSize else {
            throw Problem(
                .contentTooLarge,
                "too_large",
                "The body is larger than this server takes.",
                headers: [.connection: "close"]
            )
        }
        let body = try await request.body.collect(upTo: maximumRecordSize)
        let now = Timestamp.now()
        let window = AcceptanceWindow(now: now, retentionDays: grant.retentionDays)
        let events = try accept(body, from: source, receivedAt: now, window: window)
        do {
            let outcomes = try await writer.store(events, deadline: deadline)
            return try reply(outcomes)
        } catch let error where !(error is Problem) {
            context.logger.error("An event was not stored", metadata: ["error": "\(ProblemMiddleware.loggable(error))"])
            return await source.profile.answer(cannotStore: .unavailable(), context: context)
        }
    }

    /// Cuts the body into records and reads each of them.
    private func accept(
        _ body: ByteBuffer,
        from source: Source,
        receivedAt: Timestamp,
        window: AcceptanceWindow
    ) throws -> [AcceptedEvent] {
        try body.withUnsafeReadableBytes { bytes in
            let bytes = bytes.bindMemory(to: UInt8.self)
            var mapper = RecordMapper()
            do {
                return try BodyFraming.single.records(in: bytes).map { range in
                    try mapper.accept(UnsafeBufferPointer(rebasing: bytes[range]), from: source, receivedAt: receivedAt, window: window)
                        .get()
                }
            } catch let rejection as Rejection {
                throw Problem(rejection)
            }
        }
    }

    private func reply(_ outcomes: [WriteOutcome]) throws -> Response {
        guard !outcomes.contains(.monthUnavailable) else {
            throw Problem(
                .unprocessableContent,
                "month_unavailable",
                "The event's month has no partition, and no more can be made.",
                pointer: nil
            )
        }
        var json = JSONWriter()
        json.object { json in
            json.member("received", outcomes.count)
            json.member("accepted", outcomes.count { $0 == .accepted })
            json.member("duplicates", outcomes.count { $0 == .duplicate })
            json.member("quarantined", 0)
            json.member("errors") { $0.array { _ in } }
        }
        return .json(json)
    }

    /// The key's own source, else the one that the request names, else the tenant's default.
    private func source(of grant: Grant, named slug: String?) async throws -> Source {
        if let bound = grant.source {
            guard let source = try await sources.source(of: grant.tenant, where: { $0.id == bound }) else {
                throw Problem.unavailable()
            }
            guard slug == nil || slug == source.slug else {
                throw Problem(.forbidden, "other_source", "This credential is bound to another source.")
            }
            return source
        }
        guard let source = try await sources.source(of: grant.tenant, where: { $0.slug == slug ?? "default" }) else {
            throw Problem(.unprocessableContent, "unknown_source", "This tenant has no such source.")
        }
        return source
    }

    private static let sourceHeader = HTTPField.Name("x-source-id")
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
