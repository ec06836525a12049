import Hummingbird
import NIOCore

/// `GET /openapi.yaml`: this server's HTTP, as OpenAPI 3.1 describes it. Compiled in from `Templates/openapi.yaml`.
enum APIDescription {
    static let yaml = EmbeddedText.files.first { $0.name == "openapi.yaml" }?.text ?? ""

    @Sendable static func get(_ request: Request, context: APIContext) async throws -> Response {
        Response(status: .ok, headers: [.contentType: "application/yaml"], body: ResponseBody(byteBuffer: ByteBuffer(string: yaml)))
    }
}
