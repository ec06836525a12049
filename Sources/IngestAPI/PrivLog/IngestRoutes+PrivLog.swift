import Access
import Hummingbird

extension IngestRoutes {
    /// `POST /privileges` and `POST /privileges/{key}`: what `/hooks` does, in PrivLog's words.
    func postPrivileges(_ request: Request, context: APIContext, grant: Grant) async throws -> Response {
        try await postHook(request, context: context, grant: grant, dialect: .privLog)
    }
}
