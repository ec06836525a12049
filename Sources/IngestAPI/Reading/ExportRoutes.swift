import Access
import EventCore
import EventStore
import HTTPTypes
import Hummingbird
import NIOCore
import ServiceLifecycle
import Synchronization

/// `GET /v1/export`: everything of one tenant that matches, as one body.
///
/// The body ends well only when it is complete, and its trailer says how many rows it has; when the database fails on the way, or the
/// server stops, the connection is closed in the middle of it. While the reader does not read, one more page is asked for and no other.
struct ExportRoutes: Sendable {
    let reader: EventReader
    /// For each page.
    let requestDeadline: Duration

    private enum Formulas: String, CaseIterable {
        case escape, keep
    }

    func export(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        let query = try await EventQuery(request, of: grant, reader: reader, besides: ["format", "formulas"])
        let format = try query.parameters.choice("format", of: EventFormat.self) ?? Negotiation.lines(of: request) ?? .csv
        let formulas = try query.parameters.choice("formulas", of: Formulas.self) ?? .escape
        let export = EventExport(
            reader,
            of: grant.tenant,
            retentionDays: grant.retentionDays,
            filter: query.filter,
            schemas: query.schemas,
            lines: EventLines(format, fields: query.schemas.fieldNames, guardsFormulas: formulas == .escape)
        )
        // An answer without a body has no encoding: clients that decode would wait for it.
        let isGzip = request.method != .head && Negotiation.takesGzip(request)
        var response = try await BodyOfPages.response(export, isGzip: isGzip, deadline: requestDeadline)
        response.headers[.contentType] = format.mediaType
        response.headers[.contentDisposition] = "attachment; filename=\"\(grant.tenantSlug)-events.\(format.rawValue)\""
        return response
    }
}

/// A chunked body that is made page by page.
enum BodyOfPages {
    private struct Page: Sendable {
        /// Nil behind the last one.
        let found: EventExport.Page?
        let rest: EventExport

        static func first(of export: EventExport, deadline: ContinuousClock.Instant) async throws -> Page {
            var rest = export
            return Page(found: try await rest.next(deadline: deadline), rest: rest)
        }
    }

    /// Given away once: a page is not kept for as long as the body takes.
    private final class FirstPage: Sendable {
        private let page: Mutex<Page?>

        init(_ page: Page) { self.page = Mutex(page) }

        func take() throws -> Page {
            let page = page.withLock { page in
                defer { page = nil }
                return page
            }
            guard let page else { throw WrittenTwice() }
            return page
        }
    }

    private struct WrittenTwice: Error {}

    /// The server stops before the body is whole.
    private struct Stopping: Error {}

    /// A search that finds nothing for so long ends: whether its reader is still there shows when something is sent only.
    private static let longestSilence = Duration.seconds(600)

    private struct NothingFound: Error {}

    /// - Parameter deadline: for the database, for each page.
    /// - Throws: what the first page's query throws: then nothing is sent yet.
    static func response(_ export: EventExport, isGzip: Bool, deadline: Duration) async throws -> Response {
        let beginning = FirstPage(try await Page.first(of: export, deadline: .now + deadline))
        let body = ResponseBody { writer in
            var page = try beginning.take()
            let encoder = isGzip ? try GzipEncoder() : nil
            var lastFound = ContinuousClock.now
            while let found = page.found {
                let rest = page.rest
                async let following = Page.first(of: rest, deadline: .now + deadline)
                // Beside the connection's event loop, which looks for the next page meanwhile and has other connections to serve.
                let (isEmpty, bytes) = try await withTaskExecutorPreference(globalConcurrentExecutor) {
                    let text = found.text()
                    return (text.isEmpty, ByteBuffer(bytes: try encoder?.encode(text) ?? text))
                }
                if bytes.readableBytes > 0 { try await writer.write(bytes) }
                if !isEmpty { lastFound = .now }
                if ContinuousClock.now - lastFound > Self.longestSilence { throw NothingFound() }
                if Task.isShuttingDownGracefully { throw Stopping() }
                page = try await following
            }
            if let end = try encoder?.finish() { try await writer.write(ByteBuffer(bytes: end)) }
            try await writer.finish(trailer(page.rest.rows))
        }
        var headers: HTTPFields = [.vary: "Accept, Accept-Encoding", .cacheControl: "no-store"]
        headers[.trailer] = rowsTrailer?.rawName
        if isGzip { headers[.contentEncoding] = "gzip" }
        return Response(status: .ok, headers: headers, body: body)
    }

    private static let rowsTrailer = HTTPField.Name("sluice-rows")

    private static func trailer(_ rows: Int) -> HTTPFields {
        guard let rowsTrailer else { return [:] }
        return [rowsTrailer: String(rows)]
    }
}
